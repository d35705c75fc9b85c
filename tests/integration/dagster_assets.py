"""What a server shows of the assets: groups, partitions, metadata, checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integration.dagster_runs import asset_key
from integration.dagster_server import DagsterServer


def asset_nodes(server: DagsterServer) -> dict[str, dict[str, Any]]:
    """All assets by name, with group, kinds, description, owners, what they depend on, and their partitions."""
    nodes = server.ask(
        """{ assetNodes { assetKey { path } groupName kinds description isPartitioned partitionKeys
               dependencyKeys { path } owners { ... on TeamAssetOwner { team } }
               partitionStats { numPartitions numMaterialized numFailed } } }"""
    )["assetNodes"]
    return {"/".join(node["assetKey"]["path"]): node for node in nodes}


def materialized_partitions(server: DagsterServer, name: str) -> set[str]:
    """The partitions of a two-dimensional asset that its partitions page shows as materialized."""
    node = server.ask(
        """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
             partitionKeysByDimension { name partitionKeys }
             assetPartitionStatuses { __typename ... on MultiPartitionStatuses { primaryDimensionName ranges {
               primaryDimStartKey primaryDimEndKey
               secondaryDim { ... on DefaultPartitionStatuses { materializedPartitions } } } } } } } }""",
        {"key": asset_key(name)},
    )["assetNodeOrError"]
    found = node["assetPartitionStatuses"]
    assert found["__typename"] == "MultiPartitionStatuses", found
    keys = {dimension["name"]: dimension["partitionKeys"] for dimension in node["partitionKeysByDimension"]}
    primary_name = found["primaryDimensionName"]
    primary = keys[primary_name]
    done = set()
    for part in found["ranges"]:
        first, last = primary.index(part["primaryDimStartKey"]), primary.index(part["primaryDimEndKey"])
        for key in primary[first : last + 1]:
            for other in part["secondaryDim"]["materializedPartitions"]:
                done.add(f"{key}|{other}" if primary_name == min(keys) else f"{other}|{key}")
    return done


def latest_metadata(server: DagsterServer, name: str, partition: str | None = None) -> dict[str, Any]:
    """The metadata of the latest materialization, of one partition or of an asset that has none, by label."""
    node = server.ask(
        """query($key: AssetKeyInput!, $partitions: [String!]) { assetNodeOrError(assetKey: $key) {
             ... on AssetNode { assetMaterializations(limit: 1, partitions: $partitions) { metadataEntries {
               label __typename
               ... on TextMetadataEntry { text } ... on PathMetadataEntry { path } ... on UrlMetadataEntry { url }
               ... on IntMetadataEntry { intRepr } ... on FloatMetadataEntry { floatValue }
               ... on JsonMetadataEntry { jsonString } ... on MarkdownMetadataEntry { mdStr }
               ... on BoolMetadataEntry { boolValue }
               ... on TableMetadataEntry { table { records } } } } } } }""",
        {"key": asset_key(name), "partitions": [partition] if partition else None},
    )["assetNodeOrError"]
    entries = node["assetMaterializations"][0]["metadataEntries"]
    return {entry["label"]: _value(entry) for entry in entries}


def _value(entry: dict[str, Any]) -> Any:
    if "table" in entry:
        return entry["table"]["records"]
    return next((value for key, value in entry.items() if key not in ("label", "__typename")), None)


def check_results(server: DagsterServer, name: str, check: str) -> dict[str | None, str]:
    """The latest status of a check by partition."""
    rows = server.ask(
        """query($key: AssetKeyInput!, $check: String!) {
             assetCheckExecutions(assetKey: $key, checkName: $check, limit: 100) {
               partition status timestamp evaluation { success partition } } }""",
        {"key": asset_key(name), "check": check},
    )["assetCheckExecutions"]
    found: dict[str | None, str] = {}
    for row in sorted(rows, key=lambda row: float(row["timestamp"])):
        found[row["partition"]] = row["status"]
    return found


def names_of(paths: Iterable[dict[str, list[str]]]) -> set[str]:
    """GraphQL's keys as names."""
    return {"/".join(key["path"]) for key in paths}
