"""Columns as Dagster's partitions. Mappings are always given explicitly: Dagster's inference turns a mismatch into identity."""

from __future__ import annotations

from functools import cache

import dagster as dg

from wvforge_dagster.core.columns import UNPARTITIONED, Dimensions


@cache
def partitions_definition(dimensions: Dimensions) -> dg.PartitionsDefinition | None:
    """One multi-dimensional definition for both dimensions, a static one for a single one, none for none."""
    if not dimensions.values:
        return None
    static = {name: dg.StaticPartitionsDefinition(values) for name, values in dimensions.values}
    if len(static) == 1:
        return next(iter(static.values()))
    return dg.MultiPartitionsDefinition(static)


@cache
def partition_mapping(downstream: Dimensions, upstream: Dimensions) -> dg.PartitionMapping | None:
    """Which partitions of `upstream` a partition of `downstream` uses: those that agree with it."""
    if not upstream.values:
        return None
    if not downstream.values:
        return dg.AllPartitionMapping()
    if upstream.names == downstream.names:
        return dg.IdentityPartitionMapping()
    if {len(upstream.names), len(downstream.names)} == {1, 2}:
        single = upstream if len(upstream.names) == 1 else downstream
        return dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name=single.names[0])
    return dg.AllPartitionMapping()


def partition_of(context: dg.AssetExecutionContext, dimensions: Dimensions) -> str:
    """The partition of a package in a run, in this project's spelling. A run of a column has packages without columns too."""
    return str(context.partition_key) if dimensions.values else UNPARTITIONED
