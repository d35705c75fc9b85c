"""What Dagster shows of the assets: keys, dependencies, groups, kinds, owners, descriptions, versions of the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from wvforge_dagster.core.catalog import Catalog, Package
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.platforms import plain_name
from wvforge_dagster.orchestration.checks import check_names
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.keys import UPLOAD, package_key, upload_key
from wvforge_dagster.orchestration.metadata import package_metadata
from wvforge_dagster.orchestration.partitions import partition_mapping, partitions_definition


def group_of(package: Package) -> str:
    """The asset group: the level, so that the lineage page reads from left to right; a further platform's packages have one."""
    further = package.name.removesuffix(plain_name(package.name)).rstrip("/")
    return further.replace("-", "_") or f"level_{package.level}"


def package_spec(
    forge: ForgeOnDisk, package: Package, partitions: dg.PartitionsDefinition | None, files: RecipeFiles | None
) -> dg.AssetSpec:
    """The asset that is a package, as Dagster shows it."""
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
        metadata={
            **package_metadata(package, forge.not_built_here(package.name)),
            "class": str(forge.class_of(package.name)),
        },
        code_version=_code_version(package, files),
        partitions_def=partitions,
        skippable=True,
    )


def upload_spec(forge: ForgeOnDisk, package: Package) -> dg.AssetSpec:
    """The asset that is a package in its targets."""
    partitions = partitions_definition(package.dimensions)
    labels = ", ".join(channel.label for _, channel in forge.targets_of(package.name)) or "no target"
    refused = (f"Not published to {label}: {why}" for label, why in forge.refused_by(package.name).items())
    return dg.AssetSpec(
        key=upload_key(package.name),
        deps=[
            dg.AssetDep(
                package_key(package.name),
                partition_mapping=dg.IdentityPartitionMapping() if partitions else None,
            )
        ],
        description=". ".join(
            [f"{package.name}, published to {labels} and read back from there", *refused, ""]
        ).strip(),
        # A group of their own: the lineage page shows the last part of a key only, `cumm` for `upload/cumm`.
        group_name=UPLOAD,
        kinds={"upload"},
        owners=list(_owners(package)),
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
        forge.class_of(package.name).name,
        [(channel.label, target.publish) for target, channel in forge.targets_of(package.name)],
        dict(forge.refused_by(package.name)),
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
