"""One asset per recipe, and one per upload. What they do is in `make` and `publish`; here is how Dagster sees it."""

# No `from __future__ import annotations` here: Dagster reads the annotations of `build` when it is defined.

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from wvforge_dagster.core.catalog import Catalog, Package, VariantId
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.failure import Failure
from wvforge_dagster.core.state import state_of_failure
from wvforge_dagster.orchestration.checks import check_names, failed_checks, passed_checks, selected
from wvforge_dagster.orchestration.evidence import recipe_files
from wvforge_dagster.orchestration.explain import environments as environments_of
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.gate_checks import gate_results, gate_specs
from wvforge_dagster.orchestration.keys import UPLOAD, package_key, upload_key
from wvforge_dagster.orchestration.log_relay import LogRelay
from wvforge_dagster.orchestration.made import Made, MakeFailed
from wvforge_dagster.orchestration.make import make_variant, test_variant
from wvforge_dagster.orchestration.metadata import (
    artifacts_metadata,
    made_metadata,
    package_metadata,
    provenance_metadata,
)
from wvforge_dagster.orchestration.partitions import partition_mapping, partition_of, partitions_definition
from wvforge_dagster.orchestration.pools import BUILD_POOL, HEAVY_POOL, UPLOAD_POOL
from wvforge_dagster.orchestration.publish import publish_variant


class BuildConfig(dg.Config):
    """Settings of one run.

    `force`: build it also if it is up to date; `reason`: why, which is shown.
    """

    force: bool = False
    reason: str = "forced"


def forge_assets(forge: ForgeOnDisk) -> list[dg.AssetsDefinition]:
    """One package asset and one upload asset for each package."""
    packages = forge.catalog.packages.values()
    with warnings.catch_warnings():
        # Check results are per partition only with partitions on their spec, which Dagster calls a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            *(package_asset(forge, package) for package in packages),
            *(upload_asset(forge, package) for package in packages),
        ]


def package_asset(forge: ForgeOnDisk, package: Package) -> dg.AssetsDefinition:
    """The asset that builds, tests and stages a package."""
    partitions = partitions_definition(package.dimensions)
    checks = [
        dg.AssetCheckSpec(
            name=name,
            asset=package_key(package.name),
            description=f"The test {name!r} of {package.path}, run in an environment of its own.",
            blocking=True,
            partitions_def=partitions,
        )
        for name in check_names(package)
    ]
    settings = forge.forge.checks.of(package.name)

    @dg.multi_asset(
        name=op_name("build", package.name, forge.catalog),
        specs=[_package_spec(forge, package, partitions)],
        check_specs=[*checks, *gate_specs(package, partitions)],
        # Makes results optional: where nothing is built, no test runs.
        can_subset=True,
        partitions_def=partitions,
        pool=HEAVY_POOL if forge.is_heavy(package.name) else BUILD_POOL,
    )
    def build(context: dg.AssetExecutionContext, config: BuildConfig) -> Iterator[Any]:
        identity = VariantId(package.name, partition_of(context, package.dimensions))
        only_checks = package_key(package.name) not in context.selected_asset_keys
        failed: MakeFailed | None = None
        # Nothing is yielded while the relay's thread logs: two threads on one instance can deadlock.
        with LogRelay(context.log.info) as relay:
            try:
                if only_checks:
                    made = test_variant(forge, identity, relay.write)
                else:
                    made = make_variant(forge, identity, relay.write, force=config.force, why=config.reason)
            except MakeFailed as error:
                failed = error
        if failed is not None:
            yield from selected(context, failed_checks(package, failed))
            yield from selected(context, gate_results(package, settings, failed.checks))
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
        yield from selected(context, gate_results(package, settings, made.checks))

    return build


def upload_asset(forge: ForgeOnDisk, package: Package) -> dg.AssetsDefinition:
    """The asset that publishes a package to its targets."""
    partitions = partitions_definition(package.dimensions)
    labels = ", ".join(channel.label for _, channel in forge.targets_of(package.name)) or "no target"

    @dg.multi_asset(
        name=op_name("upload", package.name, forge.catalog),
        specs=[
            dg.AssetSpec(
                key=upload_key(package.name),
                deps=[
                    dg.AssetDep(
                        package_key(package.name),
                        partition_mapping=dg.IdentityPartitionMapping() if partitions else None,
                    )
                ],
                description=f"{package.name}, published to {labels} and read back from there.",
                # A group of their own: the lineage page shows the last part of a key only, `cumm` for `upload/cumm`.
                group_name=UPLOAD,
                kinds={"upload"},
                owners=list(_owners(package)),
                partitions_def=partitions,
                skippable=True,
            )
        ],
        partitions_def=partitions,
        pool=UPLOAD_POOL,
    )
    def upload(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        identity = VariantId(package.name, partition_of(context, package.dimensions))
        try:
            published = publish_variant(forge, identity)
        except ForgeError as fault:
            raise dg.Failure(description=str(fault), allow_retries=False) from None
        if not published.artifacts:
            return
        if not published.entries and forge.targets_of(package.name):
            context.log.info(f"{identity} waits for its column: the job promote publishes it")
            return
        metadata: dict[str, Any] = {"channels": ", ".join(label for label, _ in published.entries) or "none"}
        shown = artifacts_metadata(published.artifacts)
        metadata |= {key: value for key, value in shown.items() if key.split(": ")[-1] in _UPLOAD_KEYS}
        metadata |= provenance_metadata(published)
        yield dg.MaterializeResult(
            metadata=metadata, data_version=_data_version([a.sha256 for a in published.artifacts])
        )

    return upload


_UPLOAD_KEYS = ("filename", "version", "build string", "subdir", "size (bytes)", "sha256")


def group_of(package: Package) -> str:
    """The asset group: the level, so that the lineage page reads from left to right."""
    return f"level_{package.level}"


def _package_spec(forge: ForgeOnDisk, package: Package, partitions: dg.PartitionsDefinition | None) -> dg.AssetSpec:
    about = package.recipe.about if package.recipe else None
    description = package.fault or (about.description or about.summary if about else "") or package.name
    cuda = "cuda" in package.dimensions.names
    return dg.AssetSpec(
        key=package_key(package.name),
        deps=[
            dg.AssetDep(
                package_key(name),
                partition_mapping=partition_mapping(package.dimensions, forge.catalog.packages[name].dimensions),
            )
            for name in package.needed_names
        ],
        description=description,
        group_name=group_of(package),
        kinds={"conda", "cuda"} if cuda else {"conda", "python"} if _is_python(package) else {"conda"},
        owners=list(_owners(package)),
        metadata=package_metadata(package),
        code_version=_code_version(package, recipe_files(forge, package) if package.recipe else None),
        partitions_def=partitions,
        skippable=True,
    )


def asset_signature(forge: ForgeOnDisk, package: Package, files: RecipeFiles | None) -> list[Any]:
    """Everything that the definitions of a package show. Where it changes, they have to be loaded anew."""
    about = package.recipe.about if package.recipe else None
    return [
        package.name,
        package.path,
        package.fault,
        package.level,
        list(package.dimensions.values),
        list(package.needed_names),
        check_names(package),
        forge.forge.checks.of(package.name),
        [about.summary, about.description, about.homepage, about.license, about.maintainers] if about else None,
        forge.is_heavy(package.name),
        [(channel.label, target.publish) for target, channel in forge.targets_of(package.name)],
        _code_version(package, files),
    ]


def _is_python(package: Package) -> bool:
    outputs = package.recipe.outputs if package.recipe else ()
    return any(output.noarch == "python" or "python" in output.requires("host") for output in outputs)


def _owners(package: Package) -> Iterator[str]:
    """Recipe maintainers are names of accounts; Dagster takes those as teams."""
    for name in package.recipe.about.maintainers if package.recipe else ():
        if name.replace("_", "").replace("-", "").isalnum():
            yield f"team:{name}"


def _code_version(package: Package, files: RecipeFiles | None) -> str:
    """Changes with the recipe and its files, so that Dagster's own display of what is out of date agrees with ours.

    Dagster has one for all partitions of an asset: it is taken of the first column, so that a new column leaves it as it is.
    """
    if package.recipe is None or files is None:
        return digest(package.fault)[:16]
    first = package.recipe.outputs[0]
    outputs = [output.binding_digest for output in package.recipe.outputs if output.variant == first.variant]
    return digest([outputs, dict(files.files), dict(files.sources)])[:16]


def op_name(prefix: str, name: str, catalog: Catalog) -> str:
    """A name that Dagster takes, and that no other package has."""
    return f"{prefix}__{catalog.identifiers[name]}"


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
    metadata: dict[str, Any] = {"class": failure.failure_class.value, "state": state_of_failure(failure).value}
    if failure.details:
        metadata["last lines"] = dg.MetadataValue.md(f"```\n{failure.details}\n```")
    if failure.log:
        metadata["log"] = dg.MetadataValue.path(str(forge.output / failure.log))
    return metadata
