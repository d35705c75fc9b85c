"""What goes into a package variant, as named parts, and the digests over them.

*Binding* parts make the input digest: when one changes, the package is built again. *Test* parts decide whether its tests
have to run again on the same file. *Recorded* parts are kept and shown, and bind only where forge.yaml's ``rebuild-on``
names them. Each part is kept beside its digest, so that a later reader can say which one changed, and from what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.recipe import Output

FORMAT = 1
"""Version of the parts; a package whose record has another one was made from other inputs."""

NOT_ASKED = "not asked yet"
"""The commit of a git source that nobody has resolved yet."""


def input_parts(
    output: Output,
    *,
    files: Mapping[str, str],
    sources: Mapping[str, str],
    local_packages: Mapping[str, str],
    platform: str,
) -> dict[str, Any]:
    """The parts that bind one output of a package variant.

    Args:
        files: digests of the other files of the recipe folder, by path in it.
        sources: digests of its ``path`` sources by path as rendered, and commits of its ``git`` sources by
            `git_source_key` (url sources are in the recipe, with their hash).
        local_packages: ``VERSION CONTENT`` of the local packages in its build and host environments, by name, where
            CONTENT is a content digest.
        platform: the target platform.
    """
    return {
        "format": FORMAT,
        "recipe": output.binding,
        "files": dict(files),
        "sources": dict(sources),
        "variant": dict(output.variant),
        "platform": "noarch" if output.noarch else platform,
        "local_packages": dict(local_packages),
    }


def input_digest(parts: Mapping[str, Any], *, recipe_digest: str | None = None) -> str:
    """The digest over binding parts: over their names and digests, so that it can be checked part by part.

    Args:
        recipe_digest: the digest of the recipe's part, where it is known already (`Output.binding_digest`).
    """
    digests = {name: digest(value) for name, value in parts.items() if name != "recipe" or recipe_digest is None}
    if recipe_digest is not None:
        digests["recipe"] = recipe_digest
    return digest(digests)


def parts_of_tests(output: Output, runs_with: Mapping[str, str]) -> dict[str, Any]:
    """What the outcome of an output's tests depends on besides its file.

    Args:
        runs_with: the same of the local packages that it only runs with.
    """
    return {"tests": output.rendered.get("tests") or [], "local_packages": dict(runs_with)}


def git_source_key(source: Mapping[str, Any]) -> str:
    """How a rendered ``git`` source is named among the sources: ``URL@REVISION``, ``HEAD`` if none is given."""
    return f"{source['git']}@{source.get('rev') or 'HEAD'}"
