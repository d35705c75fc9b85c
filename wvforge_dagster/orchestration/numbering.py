"""The build number of a new build: no filename that a channel of the forge holds is used again."""

from __future__ import annotations

from wvforge_dagster.channels.upstream_index import filenames_of
from wvforge_dagster.core.catalog import PackageVariant
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.numbers import free_number, taken_numbers
from wvforge_dagster.core.state import Expected
from wvforge_dagster.orchestration.evidence import known_filenames
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk


def build_number(forge: ForgeOnDisk, variant: PackageVariant, wanted_outputs: tuple[Expected, ...]) -> int:
    """The number for these outputs of a package variant: the recipe's, or one above the highest that is taken.

    Raises:
        ForgeError: if it would have to be raised, and forge.yaml has ``rebuild: refuse``.
    """
    outputs = [expected.output for expected in wanted_outputs]
    filenames = known_filenames(forge) | filenames_of(
        forge.upstream_channels, forge.platform_of(variant.id.package), [output.name for output in outputs]
    )
    taken = [
        number
        for output in outputs
        for number in taken_numbers(output.name, output.version, output.build_string, output.build_number, filenames)
    ]
    # A package of the same version from other inputs may have another build string: a solver has to prefer the new one.
    taken += [
        item.last.build_number
        for item in wanted_outputs
        if item.last is not None and item.last.version == item.output.version
    ]
    wanted = max(output.build_number for output in outputs)
    number = free_number(wanted, taken)
    if number != wanted and forge.forge.rebuild == "refuse":
        lacking = any(not output.build_string.endswith(f"_{output.build_number}") for output in outputs)
        ending = ", and end build.string with _${{ build_number }}" if lacking else ""
        raise ForgeError(
            f"build.number {wanted} is taken by a package from other inputs, and forge.yaml has rebuild: refuse",
            where=forge.catalog.packages[variant.id.package].path,
            remedy=f"set build.number to {number}{ending}",
        )
    return number
