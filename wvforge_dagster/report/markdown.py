"""A migration as Markdown, for an issue tracker."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wvforge_dagster.report import words
from wvforge_dagster.report.model import Migration, Package, Reference, Report, Variant

_ORDER = ("building", "waiting", "failed", "unsolvable", "blocked")


def migration_markdown(report: Report, migration: Migration) -> str:
    """The same that the migration's page shows, as a checklist would be kept by hand."""
    groups = migration.groups
    done = len(groups["published"])
    total = sum(len(found) for name, found in groups.items() if name != "skipped")
    lines = [
        f"# {words.column_name(migration.values)}: {done} of {total} done",
        "",
        "| published | building | waiting | failed | unsolvable | blocked | skipped |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| " + " | ".join(str(len(found)) for found in groups.values()) + " |",
    ]
    if migration.obstacles:
        lines += ["", "## What would unblock most", ""]
        lines += ["| what | holds up | nothing else does | why |", "| --- | --- | --- | --- |"]
        for item in migration.obstacles:
            what = f"`{item.name}` is missing upstream" if item.kind == "missing" else f"`{item.name}` fails"
            lines.append(f"| {what} | {len(item.holds_up)} | {len(item.alone)} | {_cell(item.reason)} |")
    for name in _ORDER:
        if groups[name]:
            lines += ["", f"## {name.capitalize()}: {len(groups[name])}", "", "| package variant | state | why |"]
            lines += ["| --- | --- | --- |"]
            lines += [
                _row(reference, report.by_reference[reference.package, reference.partition])
                for reference in groups[name]
            ]
    if done:
        lines += ["", f"## Published: {done}", "", _names(groups["published"], report.packages)]
    lines += ["", f"<sub>{report.forge}, {words.moment(report.made)}, by wvforge {report.wvforge}</sub>", ""]
    return "\n".join(lines)


def _row(reference: Reference, variant: Variant) -> str:
    name = words.variant_name(reference.package, reference.partition).replace("|", "\\|")
    return f"| `{name}` | {variant.state} | {_cell(variant.reason)} |"


def _names(references: Sequence[Reference], packages: Sequence[Package]) -> str:
    done = {reference.package for reference in references}
    return ", ".join(f"`{package.name}`" for package in packages if package.name in done)


def _cell(text: str) -> str:
    """A reason may hold anything that a solver or a compiler said: nothing of it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#@])", r"\\\1", " ".join(text.split()))
