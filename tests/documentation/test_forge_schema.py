"""docs/forge.schema.json takes what wvforge takes, and refuses what it refuses."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from core.test_forge import test_a_fault_is_one_line_that_names_file_and_key as table_of_faults

from documentation.markdown import blocks, pages
from wvforge_dagster.channels.targets import parse_target
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import Forge
from wvforge_dagster.core.forge_file import load_forge
from wvforge_dagster.core.yaml_files import LOADER

PROJECT = Path(__file__).parents[2]
SCHEMA = json.loads((PROJECT / "docs" / "forge.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
IN_THE_PROJECT = [PROJECT / "forge.yaml", *sorted((PROJECT / "examples").glob("*/forge.yaml"))]
KEYS = {field.alias or name for name, field in Forge.model_fields.items()}


def configured_in_tests() -> Iterator[dict[str, Any]]:
    """The forge.yaml of every ``configure(...)`` in the tests whose values stand there."""
    for path in sorted((PROJECT / "tests").glob("**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "configure":
                continue
            try:
                keys = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
                keys |= {
                    key: value
                    for word in node.keywords
                    if word.arg is None
                    for key, value in ast.literal_eval(word.value).items()
                }
            except (ValueError, AttributeError):
                continue
            if keys:
                yield json.loads(json.dumps(keys))


def shown_in_docs() -> Iterator[dict[str, Any]]:
    """The forge.yaml, or the part of one, in every block of YAML of the pages."""
    for page in pages():
        for block in blocks(page):
            value = yaml.load(block.text, Loader=LOADER) if block.language == "yaml" else None
            if isinstance(value, dict) and value and set(value) <= KEYS:
                yield value


def is_taken(folder: Path, text: str) -> bool:
    (folder / "forge.yaml").write_text(text, encoding="utf-8")
    try:
        forge = load_forge(folder)
        for target in (*forge.publish, *([forge.staging] if forge.staging else [])):
            parse_target(target, "forge.yaml")
    except ForgeError:
        return False
    return True


def faults_of_structure() -> list[str]:
    """What `load_forge` is shown to refuse and is YAML with text as its keys: what the others are no schema is asked about."""
    (mark,) = [mark for mark in table_of_faults.pytestmark if mark.name == "parametrize"]
    found = []
    for text, *_ in mark.args[1]:
        try:
            value = yaml.load(text, Loader=LOADER)
            json.dumps(value)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            continue
        if not has_other_keys(value):
            found.append(text)
    return found


def has_other_keys(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(has_other_keys, value))
    return isinstance(value, dict) and any(
        not isinstance(key, str) or has_other_keys(item) for key, item in value.items()
    )


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", IN_THE_PROJECT, ids=lambda path: str(path.relative_to(PROJECT)))
def test_the_forges_of_the_project_fulfil_it_and_name_it_to_editors(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    VALIDATOR.validate(yaml.load(text, Loader=LOADER))
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == PROJECT / "docs" / "forge.schema.json"


def test_forges_of_the_tests_fulfil_it_if_wvforge_takes_them(tmp_path: Path) -> None:
    taken = [value for value in configured_in_tests() if is_taken(tmp_path, json.dumps(value))]
    assert len(taken) > 30
    for value in taken:
        assert not list(VALIDATOR.iter_errors(value)), value


def test_what_the_pages_show_of_a_forge_yaml_fulfils_it(tmp_path: Path) -> None:
    shown = list(shown_in_docs())
    assert len(shown) > 5
    for value in shown:
        assert is_taken(tmp_path, json.dumps(value)), value
        assert not list(VALIDATOR.iter_errors(value)), value


@pytest.mark.parametrize("text", faults_of_structure())
def test_faults_of_structure_do_not_fulfil_it(text: str) -> None:
    assert list(VALIDATOR.iter_errors(yaml.load(text, Loader=LOADER)))


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"file": "a", "prefix": "b"},
        {"file": ""},
        {"file": "a", "pages": True},
        {"quetz": "a"},
        {"s3": "bucket", "endpoint_url": "https://s3.example.org"},
        {"prefix": "a", "publish": "later"},
        {"file": "a", "only": "numcu"},
    ],
)
def test_a_target_of_no_kind_or_with_wrong_keys_does_not_fulfil_it(entry: dict[str, Any]) -> None:
    with pytest.raises(ForgeError):
        parse_target(entry, "forge.yaml")
    assert list(VALIDATOR.iter_errors({"publish": [entry]}))


@pytest.mark.parametrize("text", ["", "{}", "checks: {size: off}\nisolation: off\n", "limits: {cores: all, hours: 1}"])
def test_what_yaml_reads_in_its_own_way_fulfils_it(tmp_path: Path, text: str) -> None:
    assert is_taken(tmp_path, text)
    VALIDATOR.validate(yaml.load(text, Loader=LOADER))
