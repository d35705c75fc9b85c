from __future__ import annotations

import re
from pathlib import Path

import pytest
from documentation.markdown import anchors

from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.core.fault_pages import (
    FAULTS,
    FOLDER,
    FORGE_YAML,
    KEYS,
    OF_CLASS,
    OF_STATE,
    OF_WORDS,
    page_of,
    with_page,
)
from wvforge_dagster.core.state import State

PROJECT = Path(__file__).parents[2]
GIVEN = sorted(
    {
        FAULTS,
        FORGE_YAML,
        page_of("source https://example.org/a.tar.gz: no answer"),
        *(page_of(f"/forges/mine/forge.yaml: {key}: is wrong") for key in KEYS),
        *OF_CLASS.values(),
        *OF_STATE.values(),
        *(page for _, page in OF_WORDS),
    }
)


def sections_of_faults() -> list[tuple[str, str]]:
    """What a user sees, by docs/faults.md, and the anchor of the section that says so."""
    found = []
    for section in re.split(r"^## ", (PROJECT / FOLDER / FAULTS).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        anchor = section.splitlines()[0].lower().replace(",", "").replace(" ", "-")
        seen = [row.split(" | ")[0] for row in section.splitlines() if row.startswith("| ")]
        found += [(words, anchor) for row in seen for words in re.findall(r"`([^`]+)`", row)]
    return found


@pytest.mark.parametrize("page", GIVEN)
def test_every_place_that_a_fault_names_is_there(page: str) -> None:
    name, _, anchor = page.partition("#")
    path = PROJECT / FOLDER / name
    assert path.is_file()
    assert not anchor or anchor in anchors(path)


def test_every_class_of_failures_has_a_place_but_the_one_that_says_nothing() -> None:
    assert set(FailureClass) - set(OF_CLASS) == {FailureClass.OTHER}


@pytest.mark.parametrize(("words", "anchor"), sections_of_faults())
def test_what_the_page_says_of_a_fault_is_where_its_words_lead_or_the_page_itself(words: str, anchor: str) -> None:
    assert page_of(words) in (f"{FAULTS}#{anchor}", FAULTS, FORGE_YAML) or page_of(words).startswith(FORGE_YAML)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("/f/forge.yaml: chanels: unknown key; known keys: channels, publish", "forge-yaml.md"),
        ("/f/forge.yaml: limits.hour: unknown key; known keys: hours", "forge-yaml.md#key-limits"),
        ("/f/forge.yaml: rebuild-on.0: 'x' is wrong", "forge-yaml.md#key-rebuild-on"),
        ("/f/forge.yaml:2: malformed YAML: mapping values are not allowed here", "forge-yaml.md"),
        ("/f/forge.yaml: no such file; a forge is a folder with a forge.yaml", "faults.md#names-and-places"),
        ("/f: there is no forge.yaml here or above; go to a forge", "faults.md#names-and-places"),
        ("no package 'x' in this forge; it has a, b", "faults.md#names-and-places"),
        ("127.0.0.1:3000: cannot be served on: Address already in use", "faults.md#names-and-places"),
        ("/f/variants.yaml: python: should be a list, is '3.12'; write python: [3.12]", "faults.md#settings"),
        ("/f/forge.yaml: isolation: builds cannot be isolated: no bwrap", "forge-yaml.md#key-isolation"),
        ("s3:bucket: S3 channels need boto3, which is not installed", "faults.md#publishing"),
        ("file:output/channel: its index cannot be written: Permission denied", "faults.md#channels"),
        ("nvidia-smi: no GPU on this machine; run it where there is one", "faults.md#gpu-tests"),
        ("upstream.yaml: interpreters: no Python 3.12 on this machine", "faults.md#what-a-package-needs"),
        ("something else", "faults.md"),
    ],
)
def test_the_words_of_a_fault_lead_to_its_place(words: str, place: str) -> None:
    assert page_of(words) == place


def test_a_failure_is_explained_by_its_class_and_what_is_stuck_by_its_state() -> None:
    assert page_of("build script failed: forge.yaml: limits: x", FailureClass.SCRIPT) == "faults.md#scripts"
    assert page_of("source https://x: 404", FailureClass.FETCH) == "faults.md#sources"
    assert page_of("a channel cannot be read: x", FailureClass.FETCH) == "faults.md#what-a-package-needs"
    assert page_of("needs low, which failed", None, State.BLOCKED) == "faults.md#what-a-package-needs"


def test_a_fault_with_its_place_is_one_line() -> None:
    assert with_page("a: is wrong") == "a: is wrong (see docs/faults.md)"
