"""What forge.yaml says of how much the findings of each package check weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from wvforge_dagster.core.platforms import fits

CHECKS = {
    "license": "The recipe states its license, and the package carries the license's text.",
    "prefix": "No path of the build's host environment is left in a file that the engine does not rewrite.",
    "build-paths": "No path of the work folder or of the build environment is left in a text file.",
    "places": "Every file lies where an environment has files of its kind.",
    "contents": "The files are those that the package lists of itself, each with the sha256 that it lists.",
    "libraries": "Each linked library is in the package, in what it requires to run, or on every machine.",
    "pins": "The run requirements hold to the Python and the CUDA release of the variant.",
    "architectures": "The device code of each library is for the CUDA architectures that forge.yaml declares.",
    "size": "The package is not more than twice or less than half as large as the last one of its variant.",
    "tests": "The recipe has tests, and none of them leaves out pip's own check.",
}
"""Every package check: its name in forge.yaml, and what it asks. `core.package_checks` has the rules.

The keys of forge.yaml are made of it, a record of the gate has to know all of it, and the tests hold docs/ to it.
"""


def off_of_yaml(value: Any) -> Any:
    """YAML reads ``off`` as false."""
    return "off" if value is False else value


def off_in_schema(*others: str) -> WithJsonSchema:
    """What a JSON schema says of a value that is ``off``, which some readers of YAML take for false, or one of `others`."""
    return WithJsonSchema({"enum": [*others, "off", False]})


Setting = Annotated[Literal["error", "warning", "off"], BeforeValidator(off_of_yaml), off_in_schema("error", "warning")]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


if TYPE_CHECKING:
    _ByCheck = _Keys
else:
    _ByCheck = create_model(
        "_ByCheck",
        __base__=_Keys,
        **{
            name.replace("-", "_"): (Setting | None, Field(default=None, alias=name, description=asks))
            for name, asks in CHECKS.items()
        },
    )


class SomeChecks(_ByCheck):
    """Severities of some packages' checks, a key for each of `CHECKS`; what is not given is as for all."""

    def given(self) -> dict[str, str]:
        """The settings that are given, by the name of their check."""
        values = {name: getattr(self, name.replace("-", "_")) for name in CHECKS}
        return {name: value for name, value in values.items() if value is not None}


class Checks(SomeChecks):
    """Severities of the package checks: for all packages, and for some."""

    packages: dict[str, SomeChecks] = Field(
        default={},
        description='The same keys for packages by name or pattern, such as `{"pytorch*": {size: off}}`; the last that fits '
        "wins.",
    )

    def of(self, package: str) -> dict[str, str]:
        """What is set for one package, by the name of the check. What is not set goes by each finding's own severity."""
        found = self.given()
        for pattern, checks in self.packages.items():
            if fits(package, pattern):
                found |= checks.given()
        return found
