"""Writes what of docs/ follows from the code: ``make reference``.

The schemas and the page of the command as wholes; in docs/forge-yaml.md the tables between the marks.
`test_reference` compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from wvforge_dagster.channels.targets import TARGETS, PublishTarget
from wvforge_dagster.cli import app
from wvforge_dagster.core.classes import ClassSettings
from wvforge_dagster.core.forge import Forge, VariantFile
from wvforge_dagster.core.limits import SomeLimits
from wvforge_dagster.forge_schema import forge_schema
from wvforge_dagster.help_examples import EXAMPLES
from wvforge_dagster.report.schema import report_schema

DOCS = Path(__file__).parents[2] / "docs"
KEY_ANCHOR = "key-"
"""What the anchors of forge.yaml's keys begin with."""

COMMAND_PAGE = """\
# The command

Made from the command itself by `make reference`; `wvforge COMMAND --help` shows the same.

Exit status: 0 all well; 1 something failed (and is named); 2 bad usage or a bad forge; 130 interrupted; 143 terminated.
"""


def generated() -> dict[Path, str]:
    """What each generated file should hold."""
    return {
        DOCS / "forge.schema.json": forge_schema(),
        DOCS / "report.schema.json": report_schema(),
        DOCS / "command.md": command_page(),
        DOCS / "forge-yaml.md": with_tables((DOCS / "forge-yaml.md").read_text(encoding="utf-8")),
    }


def with_tables(page: str) -> str:
    """The page with its tables between ``<!-- table: NAME, made by make reference -->`` and ``<!-- end -->`` made anew."""
    tables = {"keys": key_table(), "targets": target_table(), "classes": class_table()}
    for name, table in tables.items():
        begin, end = f"<!-- table: {name}, made by make reference -->\n", "<!-- end -->"
        assert page.count(begin) == 1, f"docs/forge-yaml.md has no mark {begin}"
        before, _, after = page.partition(begin)
        page = before + begin + table + end + after.partition(end)[2]
    return page


def key_table() -> str:
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for key, field in keys_of(Forge):
        rows.append(f'| <a id="{KEY_ANCHOR}{key}"></a>`{key}` | {default_of(field)} | {meaning(field)} |')
        if isinstance(field.default, BaseModel) or key == "compiler-cache":
            rows += [
                f"| `{key}.{below}` | {default_of(one)} | {meaning(one)} |" for below, one in keys_of(model_of(field))
            ]
    return "\n".join(rows) + "\n"


def target_table() -> str:
    rows = ["| kind | key | default | meaning |", "| --- | --- | --- | --- |"]
    common = [*PublishTarget.model_fields]
    for key, field in keys_of(PublishTarget):
        rows.append(f"| all | `{key}` | {default_of(field)} | {meaning(field)} |")
    for kind, model in TARGETS.items():
        for key, field in keys_of(model):
            if key in common:
                continue
            about = f"{(model.__doc__ or '').strip()} {meaning(field)}" if key == kind else meaning(field)
            rows.append(f"| {f'`{kind}`' if key == kind else ''} | `{key}` | {default_of(field)} | {about} |")
    return "\n".join(rows) + "\n"


def class_table() -> str:
    rows = ["| key of a class | default | meaning |", "| --- | --- | --- |"]
    for key, field in keys_of(ClassSettings):
        if key not in SomeLimits.model_fields:
            rows.append(f"| `{key}` | {default_of(field)} | {meaning(field)} |")
    limits = ", ".join(f"`{key}`" for key in SomeLimits.model_fields)
    rows.append(
        f"| {limits} | as in `limits`; for `heavy`, `cores: all` | Its limits. Those of `limits.packages` stand above them. |"
    )
    return "\n".join(rows) + "\n"


def keys_of(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def model_of(field: FieldInfo) -> type[BaseModel]:
    """The model that a key's value is of."""
    kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def meaning(field: FieldInfo) -> str:
    assert field.description, f"{field} has no description"
    return field.description.replace("|", "\\|")


def default_of(field: FieldInfo) -> str:
    """As it would be written in forge.yaml."""
    if field.default is PydanticUndefined:
        return "must be given"
    if field.default is None or (isinstance(field.default, BaseModel)):
        return "none" if field.default is None else ""
    value = _plain(field.default)
    if value == {} and field.validate_default:
        return ", ".join(f"`{name}`" for name in Forge().classes)
    if value == {} or not (value or isinstance(value, (bool, int, list))):
        return "none"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")
    return f"`{text}`"


def _plain(value: Any) -> Any:
    if isinstance(value, VariantFile) and value.sha256 is None:
        return value.file
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "to_json"):
        return value.to_json()
    return value


def command_page() -> str:
    """A section for each command: what it does, its usage, arguments and options, and examples."""
    root = typer.main.get_command(app)
    parts = [COMMAND_PAGE, *sections(root, "wvforge")]
    return "\n".join(parts)


def sections(command: Any, path: str) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    yield f"## {path}\n"
    yield _paragraphs(command.help) + "\n"
    yield f"```text\n{' '.join([path, *command.collect_usage_pieces(context)])}\n```\n"
    records = [_row(parameter, context) for parameter in command.get_params(context)]
    shown = [row for row in records if row is not None]
    if shown:
        yield "\n".join(["| | |", "| --- | --- |", *shown]) + "\n"
    if examples := EXAMPLES.get(path.removeprefix("wvforge").strip()):
        width = max(len(line) for line, _ in examples)
        lines = [f"{line:{width}}  # {why}" for line, why in examples]
        yield "\n".join(["```text", *lines, "```"]) + "\n"
    for name in getattr(command, "commands", {}):
        yield from sections(command.commands[name], f"{path} {name}")


def _row(parameter: click.Parameter, context: click.Context) -> str | None:
    record = parameter.get_help_record(context)
    if record is None:
        return None
    words = re.sub(r"\s+", " ", record[1]).replace("|", "\\|")
    return f"| `{record[0].replace('|', chr(92) + '|')}` | {words} |"


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
