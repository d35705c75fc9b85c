"""Packages as they lie in channels, with what they say of how they were made."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from wvforge_dagster.core.digest import canonical

RECORD_KEY = "wvforge"
"""Where a package carries its record: ``extra.wvforge`` of its about.json. A recipe speaks to this project there too."""


@dataclass(frozen=True)
class Record:
    """What a package says of how it was made, or what was found out of it since (see `Artifact.notes`).

    Attributes:
        package: the recipe's name (an output's recipe, if it has several).
        partition: the partition that it was built in.
        input_digest: over `parts`.
        parts: what `core.inputs.input_parts` gave.
        tests: what `core.inputs.parts_of_tests` gave: the tests that this very file passed.
        recorded: what is shown, and binds only by forge.yaml's ``rebuild-on``: the engine's version and the like.
        recipe_number: the build number in the recipe; the package's own may be higher (see `core.numbers`).
        environments: only in a note: the environments of the later build, by section; the package's own are in its
            ``info/recipe/rendered_recipe.yaml``, where the engine writes them.
    """

    package: str
    partition: str
    input_digest: str
    parts: Mapping[str, Any] = field(hash=False)
    tests: Mapping[str, Any] = field(default_factory=dict, hash=False)
    recorded: Mapping[str, str] = field(default_factory=dict, hash=False)
    recipe_number: int = 0
    environments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_extra(self) -> dict[str, str]:
        """The record as a recipe's ``extra`` carries it: readable in part, and whole as packed JSON.

        It is packed because the engine evaluates ``extra`` like the rest of a recipe: a ``${{ }}`` in the recorded script
        would be expanded, and an empty string becomes null.
        """
        packed = zlib.compress(canonical(asdict(self)).encode("utf-8", "surrogateescape"), level=9)
        return {
            "package": self.package,
            "partition": self.partition or "none",
            "input_digest": f"sha256:{self.input_digest}",
            "record": base64.b64encode(packed).decode(),
        }

    @classmethod
    def from_extra(cls, value: Any) -> Record | None:
        """The record in `value`, or None if it is none (written by another tool or a later version)."""
        try:
            found = json.loads(zlib.decompress(base64.b64decode(value["record"])).decode("utf-8", "surrogateescape"))
            return cls(
                package=str(found["package"]),
                partition=str(found["partition"]),
                input_digest=str(found["input_digest"]),
                parts=dict(found["parts"]),
                tests=dict(found["tests"]),
                recorded=dict(found["recorded"]),
                recipe_number=int(found["recipe_number"]),
                environments=dict(found["environments"]),
            )
        except (KeyError, TypeError, ValueError, zlib.error):
            return None


@dataclass(frozen=True)
class Artifact:
    """One package file in the staging channel or in a publish target.

    Attributes:
        sha256: of the file.
        content: its content digest.
        record: how it was made, if it says so.
        file_count: number of payload files.
        built: when it was built, in milliseconds since 1970; 0 if it does not say so.
        notes: what was found out of this file after it was built, the oldest first: that a build from other inputs came
            out equal, or that it passed other tests.
    """

    subdir: str
    filename: str
    name: str
    version: str
    build: str
    build_number: int
    sha256: str
    size: int
    content: str
    record: Record | None
    file_count: int = 0
    built: int = 0
    notes: tuple[Record, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """Everything that is true of the file: what it says itself, and the notes."""
        return ((self.record,) if self.record else ()) + self.notes
