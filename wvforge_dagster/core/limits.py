"""What builds and tests may use before they are ended, as forge.yaml says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wvforge_dagster.core.platforms import fits

ALL_CORES = 1_000_000
"""More cores than a machine has: what is asked for is cut to those that are there."""


def _cores_of_yaml(value: Any) -> Any:
    """``all`` is every core of the machine."""
    return ALL_CORES if value == "all" else value


Hours = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Gib = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Cores = Annotated[
    int,
    Field(ge=1),
    BeforeValidator(_cores_of_yaml, json_schema_input_type=Literal["all"] | Annotated[int, Field(ge=1)]),
]


class SomeLimits(BaseModel):
    """Limits of some packages; what is not given is as for all."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    hours: Hours | None = Field(default=None, description="Longest time that one build may take, in hours.")
    memory_gib: Gib | None = Field(
        default=None,
        description="Most memory that one build with all its processes may hold, in GiB; none: no limit.",
    )
    test_hours: Hours | None = Field(default=None, description="Longest time of one package's tests, in hours.")
    cores: Cores | None = Field(
        default=None,
        description="[Cores](#cores) that a build takes of the machine, or `all`, and that its scripts are told of in "
        "`CPU_COUNT`; none: its share beside the builds that run with it.",
    )
    disk_gib: Gib | None = Field(
        default=None,
        description="Most that the folder of one build may take on the disk, in GiB; it is measured every few seconds; none: "
        "no limit.",
    )

    def given(self) -> dict[str, Any]:
        """The limits that are given."""
        values = {name: getattr(self, name) for name in SomeLimits.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class Limits(SomeLimits):
    """The limits of all packages, and of some."""

    hours: Hours = Field(default=12.0, description="Longest time that one build may take, in hours.")
    test_hours: Hours = Field(default=1.0, description="Longest time of one package's tests, in hours.")
    packages: dict[str, SomeLimits] = Field(
        default={},
        description='The same keys for packages by name or pattern, such as `{"pytorch*": {hours: 24}}`; the last that fits '
        "wins.",
    )

    def of(self, package: str, of_class: SomeLimits) -> Limits:
        """The limits of one package: those of all, of its class, and of the patterns that fit it; later ones win."""
        special = [of_class, *(limits for pattern, limits in self.packages.items() if fits(package, pattern))]
        return self.model_copy(update={name: value for some in special for name, value in some.given().items()})
