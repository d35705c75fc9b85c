"""What is said of every published package: its SBOM, and the statement of its inputs, from what the package says itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

from wvforge_dagster.build.engine_account import RENDERED, rendered_recipe
from wvforge_dagster.build.inspect import read_package
from wvforge_dagster.channels.beside import SBOM, STATEMENT
from wvforge_dagster.core.artifact import Artifact
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.whole_files import write_whole

_ABOUT = "info/about.json"

FOLDER = "provenance"
"""Below the forge's output."""


def keep_provenance(forge: ForgeOnDisk, artifact: Artifact, file: PackageFile) -> Mapping[str, bytes]:
    """Make the documents of a package and write them to ``output/provenance``, also for targets that keep none.

    Args:
        file: the package's file on this machine.

    Returns:
        Their contents by ending.

    Raises:
        ForgeError: if the package does not say what they need, or they cannot be written.
    """
    # They take a third of a second to load, and only uploads need them.
    from wvforge_dagster.build.materials import materials_of
    from wvforge_dagster.build.sbom import make_sbom
    from wvforge_dagster.build.statement import make_statement

    info = read_package(file.path, (_ABOUT, RENDERED))
    try:
        about = json.loads(info[_ABOUT] or b"{}")
        materials = materials_of(artifact, about, rendered_recipe(info[RENDERED], str(file.path)))
        documents = {SBOM: make_sbom(materials), STATEMENT: make_statement(materials)}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        words = " ".join(str(error).split())
        raise ForgeError(
            f"does not say what it was made of: {words}", where=str(file.path), remedy="build it again"
        ) from None
    folder = forge.output / FOLDER / file.subdir
    for ending, content in documents.items():
        try:
            write_whole(folder / f"{file.filename}{ending}", content.decode())
        except OSError as error:
            raise ForgeError(f"cannot be written: {error.strerror}", where=str(folder)) from None
    return documents
