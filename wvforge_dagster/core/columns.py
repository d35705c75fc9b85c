"""Columns: the partition keys of a forge and of each of its packages.

A forge has two dimensions, ``cuda`` and ``python``. A package is partitioned by those that its recipe uses; one that uses
none has the single key `UNPARTITIONED`. Several variants that differ in other keys share a partition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

UNPARTITIONED = ""
SEPARATOR = "|"

DIMENSION_OF_KEY = {"cuda_version": "cuda", "python": "python"}
"""Which dimension the values of a variant key make. Dagster orders dimensions by name, and so does this project."""

KEY_OF_DIMENSION = {dimension: key for key, dimension in DIMENSION_OF_KEY.items()}


@dataclass(frozen=True)
class Dimensions:
    """The values of the dimensions of a forge or of one package, by name of the dimension, in order of the names."""

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Iterable[str]]) -> Dimensions:
        return cls(tuple((name, tuple(values[name])) for name in sorted(values)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.values)

    def only(self, names: Iterable[str]) -> Dimensions:
        wanted = set(names)
        return Dimensions(tuple(item for item in self.values if item[0] in wanted))

    def keys(self) -> tuple[str, ...]:
        """Every partition key, in the order of the variant files: ``12.6|3.12`` for two dimensions."""
        if not self.values:
            return (UNPARTITIONED,)
        return tuple(SEPARATOR.join(combination) for combination in product(*(values for _, values in self.values)))

    def split(self, key: str) -> dict[str, str]:
        """The value of each dimension in a partition key. Raises ValueError if the key is not one of `keys`."""
        if key not in self.keys():
            raise ValueError(f"{key!r} is not a partition; partitions are {', '.join(self.keys())}")
        return dict(zip(self.names, key.split(SEPARATOR), strict=True)) if self.values else {}


def label(value: str) -> str:
    """The value of a variant key as a partition key shows it: ``3.12.* *_cpython`` is ``3.12``."""
    match = re.match(r"\s*[=~<>]*\s*([A-Za-z0-9][A-Za-z0-9._+-]*?)(\.\*)?(\s|$)", value)
    # A label names folders: it starts with no dot, and is never empty.
    return match.group(1) if match else re.sub(r"[^A-Za-z0-9._-]+", "_", value).lstrip(".") or "_"


def forge_dimensions(variant_values: Mapping[str, Iterable[str]]) -> Dimensions:
    """The dimensions of a forge from the values of its variant keys."""
    return Dimensions.of(
        {
            DIMENSION_OF_KEY[key]: tuple(dict.fromkeys(label(value) for value in values))
            for key, values in variant_values.items()
            if key in DIMENSION_OF_KEY
        }
    )


def dimension_values(variant: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The dimension values of one variant, by name of the dimension."""
    return {DIMENSION_OF_KEY[key]: label(value) for key, value in variant if key in DIMENSION_OF_KEY}


def matches(key_values: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two partitions agree in every dimension that both have."""
    return all(other[name] == value for name, value in key_values.items() if name in other)
