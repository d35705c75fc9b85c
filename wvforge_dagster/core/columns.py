"""Columns: the partition keys of a forge and of each of its packages.

A forge has two dimensions, ``cuda`` and ``python``. A package is partitioned by those that its recipe uses; one that uses
none has the single key `UNPARTITIONED`. Several variants that differ in other keys share a partition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from types import MappingProxyType

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
        return tuple(_columns(self))

    def split(self, key: str) -> Mapping[str, str]:
        """The value of each dimension in a partition key. Raises ValueError if the key is not one of `keys`."""
        found = _columns(self).get(key)
        if found is None:
            raise ValueError(f"{key!r} is not a partition; partitions are {', '.join(self.keys())}")
        return found


@lru_cache(maxsize=1024)
def _columns(dimensions: Dimensions) -> Mapping[str, Mapping[str, str]]:
    """The value of each dimension by partition key. A forge of thousands of packages has a handful of dimensions."""
    names = dimensions.names
    combinations = product(*(values for _, values in dimensions.values))
    return {SEPARATOR.join(found): MappingProxyType(dict(zip(names, found, strict=True))) for found in combinations}


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


@lru_cache(maxsize=4096)
def dimension_values(variant: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """The dimension values of one variant, by name of the dimension."""
    return MappingProxyType({DIMENSION_OF_KEY[key]: label(value) for key, value in variant if key in DIMENSION_OF_KEY})


@lru_cache(maxsize=16384)
def keys_of_variant(dimensions: Dimensions, variant: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The partitions that a variant falls into: one, unless it leaves a dimension open."""
    return tuple(key for key, column in _columns(dimensions).items() if matches(dimension_values(variant), column))


@lru_cache(maxsize=16384)
def agreeing_keys(dimensions: Dimensions, others: Dimensions, key: str) -> tuple[str, ...]:
    """The partitions of `dimensions` that agree with the partition `key` of `others`."""
    other = others.split(key)
    return tuple(mine for mine, column in _columns(dimensions).items() if matches(column, other))


def matches(key_values: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two partitions agree in every dimension that both have."""
    return all(other[name] == value for name, value in key_values.items() if name in other)
