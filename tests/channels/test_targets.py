"""Publish targets: what is taken, and the one line that says why something is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.opening import open_channel
from wvforge_dagster.channels.server import ServerChannel
from wvforge_dagster.channels.targets import (
    TARGETS,
    AnacondaTarget,
    CloudsmithTarget,
    FileTarget,
    PrefixTarget,
    PublishTarget,
    S3Target,
    parse_target,
)
from wvforge_dagster.core.errors import ForgeError

KINDS = "file, prefix, s3, quetz, anaconda, artifactory, cloudsmith"
WHERE = "forge.yaml: publish.0"


@pytest.mark.parametrize(
    ("mapping", "target", "label"),
    [
        ({"file": "output/channel"}, FileTarget(file="output/channel"), "file:output/channel"),
        ({"prefix": "wv-forge"}, PrefixTarget(prefix="wv-forge", url="https://prefix.dev"), "prefix:wv-forge"),
        ({"prefix": "a", "url": "https://x.org/"}, PrefixTarget(prefix="a", url="https://x.org"), "prefix:a"),
        ({"prefix": "a", "url": "http://127.0.0.1:8"}, PrefixTarget(prefix="a", url="http://127.0.0.1:8"), "prefix:a"),
        (
            {"s3": "bucket/a/b", "endpoint-url": "https://x.org", "region": "eu-1", "force-path-style": True},
            S3Target(s3="bucket/a/b", endpoint_url="https://x.org", region="eu-1", force_path_style=True),
            "s3:bucket/a/b",
        ),
        ({"s3": "bucket"}, S3Target(s3="bucket"), "s3:bucket"),
        ({"anaconda": "me"}, AnacondaTarget(anaconda="me"), "anaconda:me"),
        ({"anaconda": "me", "channel": "dev"}, AnacondaTarget(anaconda="me", channel="dev"), "anaconda:me/dev"),
        ({"cloudsmith": "me/forge"}, CloudsmithTarget(cloudsmith="me/forge"), "cloudsmith:me/forge"),
        ({"file": "x", "only": ["cumm", "sp*"]}, FileTarget(file="x", only=("cumm", "sp*")), "file:x"),
        ({"file": "x", "publish": "by-column"}, FileTarget(file="x", publish="by-column"), "file:x"),
    ],
)
def test_a_target_is_told_by_its_kind(mapping: dict[str, Any], target: PublishTarget, label: str) -> None:
    parsed = parse_target(mapping, WHERE)
    assert parsed == target
    assert parsed.label == label


@pytest.mark.parametrize(
    ("mapping", "error"),
    [
        ({}, "no kind of channel: nothing; kinds: " + KINDS),
        ({"ftp": "x"}, "no kind of channel: ftp; kinds: " + KINDS),
        ({"only": ["x"]}, "no kind of channel: nothing; kinds: " + KINDS),
        ({"file": "x", "prefix": "y"}, "one target is of one kind, not file and prefix; write several"),
        (
            {"file": "x", "url": "https://x"},
            ".url: unknown key; keys of a target of the kind file: only, publish, licenses, file, page, address",
        ),
        (
            {"prefix": "x", "key": "secret"},
            ".key: unknown key; keys of a target of the kind prefix: only, publish, licenses, prefix, url, attestation",
        ),
        (
            {"s3": "x", "endpoint_url": "https://x"},
            ".endpoint_url: unknown key; keys of a target of the kind s3: only, publish, licenses, s3, endpoint-url, region, "
            "force-path-style, page, address",
        ),
        (
            {"s3": "s3://bucket"},
            ".s3: 's3://bucket' does not begin with the name of a bucket: bucket/prefix, without s3://",
        ),
        (
            {"s3": "bucket/../x"},
            ".s3: 'bucket/../x': a prefix is of names with '/' between them, such as bucket/channels/forge",
        ),
        ({"s3": "bucket", "force-path-style": "yes"}, ".force-path-style: 'yes': should be a valid boolean"),
        ({"quetz": "x"}, ".url: is missing"),
        ({"file": "x", "publish": "later"}, ".publish: 'later': should be 'at-once' or 'by-column'"),
        ({"cloudsmith": "x"}, ".cloudsmith: 'x' should be owner/repository"),
        ({"file": ""}, ".file: '': String should have at least 1 character"),
        ({"file": None}, ".file: None: should be a valid string"),
        ({"prefix": 12}, ".prefix: 12: should be a valid string"),
        ({"prefix": "x", "only": "cumm"}, ".only: 'cumm': should be a valid list"),
        ({"prefix": "x", "only": [1]}, ".only.0: 1: should be a valid string"),
        (
            {"prefix": "x", "url": "prefix.dev"},
            ".url: 'prefix.dev' is no address of a server, such as https://prefix.dev",
        ),
        ({"prefix": "x", "url": "http://x.org"}, ".url: 'http://x.org' would send the key in clear text: use https://"),
    ],
)
def test_a_wrong_target_is_one_line_that_names_the_key(mapping: dict[str, Any], error: str) -> None:
    with pytest.raises(ForgeError) as caught:
        parse_target(mapping, WHERE)
    assert str(caught.value) == f"{WHERE}{error if error.startswith('.') else ': ' + error}"


@pytest.mark.parametrize(
    "name", ["../../admin", "a/b", "", "-x", ".x", "Forge", "a b", "a?force=true", "x\n", "é", "..%2f"]
)
def test_a_channel_name_cannot_lead_to_another_address(name: str) -> None:
    with pytest.raises(ForgeError, match="is no channel name"):
        parse_target({"prefix": name}, WHERE)


@pytest.mark.parametrize("url", ["https://user:pw@x.org", "https://x.org?key=1", "https://x.org/#a"])
def test_an_address_holds_no_credentials(url: str) -> None:
    with pytest.raises(ForgeError, match="credentials come from the environment") as caught:
        parse_target({"prefix": "x", "url": url}, WHERE)
    assert "pw" not in str(caught.value)


def test_patterns_say_which_packages_go_there() -> None:
    everything, some = parse_target({"file": "x"}, WHERE), parse_target({"file": "x", "only": ["cumm", "sp*"]}, WHERE)
    names = ["cumm", "spconv", "pccm"]
    assert [everything.takes(name) for name in names] == [True, True, True]
    assert [some.takes(name) for name in names] == [True, True, False]


def test_every_kind_opens_to_a_channel_with_the_label_of_its_target(tmp_path: Path) -> None:
    samples: dict[str, dict[str, Any]] = {
        "file": {"file": "out"},
        "prefix": {"prefix": "wv-forge"},
        "s3": {"s3": "bucket/channels/forge", "endpoint-url": "https://s3.example.org", "region": "eu-central-1"},
        "quetz": {"quetz": "forge", "url": "https://quetz.example.org"},
        "anaconda": {"anaconda": "owner", "channel": "dev"},
        "artifactory": {"artifactory": "forge", "url": "https://example.org/artifactory"},
        "cloudsmith": {"cloudsmith": "owner/forge"},
    }
    assert set(samples) == set(TARGETS)
    for mapping in samples.values():
        target = parse_target(mapping, WHERE)
        assert open_channel(target, tmp_path, Credentials()).label == target.label


def test_a_relative_folder_is_relative_to_the_forge_and_an_absolute_one_is_not(tmp_path: Path) -> None:
    relative = open_channel(FileTarget(file="out"), tmp_path, Credentials())
    absolute = open_channel(FileTarget(file="/srv/channel"), tmp_path, Credentials())
    assert isinstance(relative, FolderChannel)
    assert (relative.url, relative.is_local) == (f"file://{tmp_path}/out", True)
    assert absolute.url == "file:///srv/channel"


def test_a_prefix_channel_is_read_from_its_server(tmp_path: Path) -> None:
    channel = open_channel(PrefixTarget(prefix="wv-forge"), tmp_path, Credentials())
    assert isinstance(channel, ServerChannel)
    assert (channel.url, channel.is_local) == ("https://prefix.dev/wv-forge", False)
