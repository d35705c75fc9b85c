"""One asset per recipe, and one per upload. What they do is in `make` and `publish`; here is how Dagster sees it."""

# No `from __future__ import annotations` here: Dagster reads the annotations of the functions.

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.definition_config_schema import convert_user_facing_definition_config_schema

from wvforge_dagster.core.catalog import Catalog, Package, VariantId
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.failure import Failure, FailureClass
from wvforge_dagster.core.fault_pages import FOLDER, page_of
from wvforge_dagster.core.state import state_of_failure
from wvforge_dagster.orchestration.asset_definitions import define_asset, shared
from wvforge_dagster.orchestration.asset_specs import op_name, package_spec, upload_spec
from wvforge_dagster.orchestration.checks import check_names, failed_checks, passed_checks, selected
from wvforge_dagster.orchestration.explain import environments as environments_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.keys import BUILD, BUILD_TAG, UPLOAD, package_key, upload_key
from wvforge_dagster.orchestration.landing import put_pages
from wvforge_dagster.orchestration.log_relay import LogRelay
from wvforge_dagster.orchestration.made import Made, MakeFailed
from wvforge_dagster.orchestration.make import make_variant, test_variant
from wvforge_dagster.orchestration.metadata import (
    artifacts_metadata,
    made_metadata,
    provenance_metadata,
)
from wvforge_dagster.orchestration.op_tags import build_tags, on_loss, upload_tags
from wvforge_dagster.orchestration.package_asset_check import package_check_results, package_check_specs
from wvforge_dagster.orchestration.partitions import partition_of, partitions_definition
from wvforge_dagster.orchestration.pools import UPLOAD_POOL
from wvforge_dagster.orchestration.publish import publish_variant
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.same_forge import digests_of, refuse_other_work

BUILD_CONFIG = convert_user_facing_definition_config_schema(
    {
        "force": dg.Field(bool, default_value=False, description="Build it also if it is up to date."),
        "reason": dg.Field(str, default_value="forced", description="Why, which is shown."),
    }
)
"""Settings of one run of a package asset."""


def forge_assets(
    forge: ForgeOnDisk, files: Mapping[str, RecipeFiles] | None = None
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """One package asset and one upload asset for each package; what is built on another machine is shown, and cannot be
    materialized.

    Args:
        files: of the recipes, if the caller has looked already.
    """
    found = files_of_recipes(forge) if files is None else files
    everything = forge.catalog.packages.values()
    packages = [package for package in everything if forge.not_built_here(package.name) is None]
    elsewhere = [package for package in everything if forge.not_built_here(package.name) is not None]
    made_of = digests_of(forge, found)
    build, upload = _build_function(forge, made_of), _upload_function(forge, made_of)
    with warnings.catch_warnings():
        # Check results are per partition only with partitions on their spec, which Dagster calls a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            *(
                _package_asset(forge, package, found.get(package.name), build, made_of[package.name])
                for package in packages
            ),
            *(_upload_asset(forge, package, upload, made_of[package.name]) for package in packages),
            *(
                package_spec(forge, package, partitions_definition(package.dimensions), found.get(package.name))
                for package in elsewhere
            ),
            *(upload_spec(forge, package) for package in elsewhere),
        ]


def _package_asset(
    forge: ForgeOnDisk, package: Package, files: RecipeFiles | None, build: DecoratedOpFunction, made_of: str
) -> dg.AssetsDefinition:
    """The asset that builds, tests and stages a package."""
    partitions = partitions_definition(package.dimensions)
    tests = (
        dg.AssetCheckSpec(
            name=name,
            asset=package_key(package.name),
            description=f"The test {name!r} of {package.path}, run in an environment of its own.",
            blocking=True,
            partitions_def=partitions,
        )
        for name in check_names(package)
    )
    return define_asset(
        build,
        op_name=op_name(BUILD, package.name, forge.catalog),
        spec=package_spec(forge, package, partitions, files),
        checks=[*tests, *package_check_specs(package, partitions)],
        pool=forge.class_of(package.name).name,
        tags=build_tags(forge, package.name, made_of),
        retries=on_loss(forge),
        config=BUILD_CONFIG,
    )


def _build_function(forge: ForgeOnDisk, made_of: Mapping[str, str]) -> DecoratedOpFunction:
    packages = _by_op(BUILD, forge.catalog)

    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        package = packages[context.op_execution_context.op_def.name]
        refuse_other_work(context, forge, package.name, made_of[package.name])
        settings = forge.forge.checks.of(package.name)
        identity = VariantId(package.name, partition_of(context, package.dimensions))
        only_checks = package_key(package.name) not in context.selected_asset_keys
        config = context.op_execution_context.op_config
        failed: MakeFailed | None = None
        # Nothing is yielded while the relay's thread logs: two threads on one instance can deadlock.
        with LogRelay(context.log.info) as relay:
            try:
                if only_checks:
                    made = test_variant(forge, identity, relay.write)
                else:
                    made = make_variant(forge, identity, relay.write, force=config["force"], why=config["reason"])
            except MakeFailed as error:
                failed = error
            except ForgeError as fault:  # the staging channel cannot be read, or not be reached
                failed = MakeFailed(Failure(FailureClass.OTHER, str(fault)))
        if failed is not None:
            yield from selected(context, failed_checks(package, failed))
            yield from selected(context, package_check_results(package, settings, failed.checks))
            raise dg.Failure(
                description=failed.failure.reason,
                metadata=_failure_metadata(forge, failed.failure),
                allow_retries=False,
            )
        if not made.ran:
            context.log.info(f"{identity}: nothing was built: {made.reason}")
        if made.artifacts and not only_checks:
            yield _materialization(forge, package, made)
        yield from selected(context, passed_checks(package, made))
        yield from selected(context, package_check_results(package, settings, made.checks))

    return shared(build)


def _upload_asset(
    forge: ForgeOnDisk, package: Package, upload: DecoratedOpFunction, made_of: str
) -> dg.AssetsDefinition:
    """The asset that publishes a package to its targets."""
    return define_asset(
        upload,
        op_name=op_name(UPLOAD, package.name, forge.catalog),
        spec=upload_spec(forge, package),
        pool=UPLOAD_POOL,
        tags=upload_tags(forge, made_of),
        retries=on_loss(forge),
    )


def _upload_function(forge: ForgeOnDisk, made_of: Mapping[str, str]) -> DecoratedOpFunction:
    packages = _by_op(UPLOAD, forge.catalog)

    def upload(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        package = packages[context.op_execution_context.op_def.name]
        refuse_other_work(context, forge, package.name, made_of[package.name])
        identity = VariantId(package.name, partition_of(context, package.dimensions))
        try:
            published = publish_variant(forge, identity)
        except ForgeError as fault:
            raise dg.Failure(description=str(fault), allow_retries=False) from None
        if not published.artifacts:
            return
        if not published.entries and forge.targets_of(package.name):
            words = (
                f"is not published: {published.held}"
                if published.held
                else "goes out with its column, by the job promote"
            )
            context.log.info(f"{identity} {words}")
            return
        if BUILD_TAG not in context.run.tags:
            # `wvforge build` puts the pages once, when all is done.
            for unwritten in put_pages(forge, forge.targets_at_once(package.name)):
                context.log.warning(str(unwritten))
        metadata: dict[str, Any] = {"channels": ", ".join(label for label, _ in published.entries) or "none"}
        shown = artifacts_metadata(published.artifacts)
        metadata |= {key: value for key, value in shown.items() if key.split(": ")[-1] in _UPLOAD_KEYS}
        metadata |= provenance_metadata(published)
        yield dg.MaterializeResult(
            asset_key=upload_key(package.name),
            metadata=metadata,
            data_version=_data_version([a.sha256 for a in published.artifacts]),
        )

    return shared(upload)


def _by_op(prefix: str, catalog: Catalog) -> dict[str, Package]:
    return {op_name(prefix, package.name, catalog): package for package in catalog.packages.values()}


_UPLOAD_KEYS = ("filename", "version", "build string", "subdir", "size (bytes)", "sha256")


def _materialization(forge: ForgeOnDisk, package: Package, made: Made) -> dg.MaterializeResult[Any]:
    environments = {artifact.filename: environments_of(forge, artifact) for artifact in made.artifacts}
    return dg.MaterializeResult(
        asset_key=package_key(package.name),
        metadata=made_metadata(made, environments),
        data_version=_data_version([artifact.content for artifact in made.artifacts]),
    )


def _data_version(values: list[str]) -> dg.DataVersion | None:
    if not values:
        return None
    return dg.DataVersion(values[0] if len(values) == 1 else digest(values))


def _failure_metadata(forge: ForgeOnDisk, failure: Failure) -> dict[str, Any]:
    state = state_of_failure(failure)
    explained = f"{FOLDER}{page_of(failure.reason, failure.failure_class, state)}"
    metadata: dict[str, Any] = {"class": failure.failure_class.value, "state": state.value, "explained in": explained}
    if failure.details:
        metadata["last lines"] = dg.MetadataValue.md(f"```\n{failure.details}\n```")
    if failure.log:
        metadata["log"] = dg.MetadataValue.path(str(forge.output / failure.log))
    return metadata
