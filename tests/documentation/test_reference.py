"""What docs/ says of the command and of forge.yaml is what the code says."""

from __future__ import annotations

import shlex

import pytest
import typer

from documentation.reference import DOCS, KEY_ANCHOR, generated
from wvforge_dagster.cli import app
from wvforge_dagster.core.forge import Forge
from wvforge_dagster.help_examples import EXAMPLES

ROOT = typer.main.get_command(app)


def commands(command: object, path: tuple[str, ...] = ()) -> set[str]:
    below = getattr(command, "commands", {})
    found = set().union(*(commands(one, (*path, name)) for name, one in below.items())) if below else set()
    return found | {" ".join(path)}


@pytest.mark.parametrize("name", [path.name for path in generated()])
def test_generated_pages_are_what_the_code_gives(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == generated()[DOCS / name], "run: make reference"


def test_every_key_of_forge_yaml_has_its_place_on_the_page() -> None:
    page = (DOCS / "forge-yaml.md").read_text(encoding="utf-8")
    for name, field in Forge.model_fields.items():
        assert f'<a id="{KEY_ANCHOR}{field.alias or name}"></a>' in page


def test_every_command_has_examples() -> None:
    groups = {"channel"}
    assert set(EXAMPLES) == commands(ROOT) - groups


@pytest.mark.parametrize("line", [line for shown in EXAMPLES.values() for line, _ in shown])
def test_the_examples_are_lines_that_the_command_takes(line: str) -> None:
    words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"').partition(" > ")[0])
    assert words.pop(0) == "wvforge"
    command, context = ROOT, ROOT.make_context("wvforge", words)
    while hasattr(command, "commands"):
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(command.name, rest, parent=context)
    assert not context.args
