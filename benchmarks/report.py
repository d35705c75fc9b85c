"""How long the report of a large forge takes, how large it is, and how fast its filter answers.

    python benchmarks/report.py [--recipes N] [--forge] [--json FILE]

The site is that of 1,000 recipes in 12 columns, all built, with their files, times, inputs and histories as plain values. The
filter is timed in Chromium, from a change until the page is drawn anew. `--forge` also writes such a forge of recipes
(nothing built), and times `wvforge report` there as a whole, the second time, when its recipes are rendered already.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

from integration.browser import browser, missing_programs  # noqa: E402

from wvforge_dagster.core.install import install_lines, install_spec  # noqa: E402
from wvforge_dagster.core.state import State  # noqa: E402
from wvforge_dagster.report import model  # noqa: E402
from wvforge_dagster.report.site import site_files  # noqa: E402

CUDA = ("12.6", "12.8", "13.0", "13.2")
PYTHON = ("3.11", "3.12", "3.13")
COLUMNS = tuple(f"{cuda}|{python}" for cuda in CUDA for python in PYTHON)
STATES = (State.PUBLISHED,) * 14 + (
    State.STALE,
    State.WAITING,
    State.FAILED,
    State.BLOCKED,
    State.UNSOLVABLE,
    State.MISSING,
)
CHANNEL = "file:output/channel"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
LEVELS = 10

FILTER = """
const done = arguments[0], field = document.getElementById("name"), found = [];
const shown = () => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
const timed = async (act) => {
  await shown();
  const before = performance.now();
  act();
  await shown();
  found.push(performance.now() - before);
};
(async () => {
  for (const text of ["9", "97", "", "42", "7", ""]) {
    await timed(() => { field.value = text; field.dispatchEvent(new Event("input", {bubbles: true})); });
  }
  for (const box of document.querySelectorAll("#filter input[name=state]")) await timed(() => box.click());
  done(found);
})();
"""
"""Milliseconds from each change of the filter until its second frame is drawn."""


def large_report(recipes: int) -> model.Report:
    """A report with a value in every place."""
    names = [f"package-{number:04}" for number in range(recipes)]
    each = max(1, recipes // LEVELS)
    needs = {
        name: [names[(number * 7) % each + (number // each - 1) * each], names[number - each]] if number >= each else []
        for number, name in enumerate(names)
    }
    needed_by: dict[str, list[str]] = {name: [] for name in names}
    for name, others in needs.items():
        for other in dict.fromkeys(others):
            needed_by[other].append(name)
    packages = tuple(
        model.Package(
            name=name,
            page=name,
            recipe=f"pkgs/{name}/recipe/recipe.yaml",
            level=number // each,
            version="1.0",
            summary=f"What {name} is for, in a line of its recipe.",
            license="MIT",
            homepage="https://example.org",
            maintainers=("alice",),
            fault=None,
            dimensions=("cuda", "python"),
            needs=tuple(model.Need(package=other, sections=("host", "run")) for other in dict.fromkeys(needs[name])),
            needed_by=tuple(needed_by[name]),
            variants=tuple(_variant(name, number, column, needs[name]) for column in COLUMNS),
            history=tuple(_attempt(name, column, day) for column in COLUMNS for day in (30, 20, 10)),
        )
        for number, name in enumerate(names)
    )
    return model.Report(
        forge="large",
        made=NOW,
        wvforge="0",
        platform="linux-64",
        columns=tuple(
            model.Column(key=key, values=dict(zip(("cuda", "python"), key.split("|"), strict=True))) for key in COLUMNS
        ),
        targets=(model.Target(label=CHANNEL, url="file:///srv/channel", publish="at-once"),),
        packages=packages,
        migrations=tuple(_migration(packages, key) for key in COLUMNS),
        builds=(),
    )


def _variant(name: str, number: int, column: str, needs: list[str]) -> model.Variant:
    position = number * len(COLUMNS) + COLUMNS.index(column)
    state = STATES[hashlib.sha256(str(position).encode()).digest()[0] % len(STATES)]
    file = _file(name, column, position)
    specs = (install_spec(name, "1.0", file.build, 0, only_one=False),)
    channels = ("file:///srv/channel", "conda-forge")
    install = model.InstallLines(
        channel=CHANNEL, specs=specs, channels=channels, lines=install_lines(name, specs, channels)
    )
    return model.Variant(
        partition=column,
        state=state,
        reason="up to date" if state is State.PUBLISHED else f"a line that says why {name} is {state}, and by what",
        channels=(CHANNEL,),
        files=(file,),
        changes=(model.Change(where="patches/a.patch", what="content", old="1" * 64, new="2" * 64),)
        if state is State.STALE
        else (),
        inputs=tuple(model.Input(name=f"file part-{part}", value=_digest(name, part)) for part in range(4)),
        input_digest=_digest(name, column),
        tests=("python", "script"),
        tested=True,
        architectures=("8.0", "9.0"),
        needs=tuple(model.Reference(package=other, partition=column) for other in dict.fromkeys(needs)),
        log=f"logs/{name}/{column.replace('|', '_')}/20261124T000000.000000Z.log",
        last=_attempt(name, column, 10),
        install=(install,) if state is State.PUBLISHED else (),
    )


def _file(name: str, column: str, position: int) -> model.File:
    build = f"py{column.split('|')[1].replace('.', '')}h{_digest(name, column)[:7]}_0"
    return model.File(
        name=name,
        filename=f"{name}-1.0-{build}.conda",
        subdir="linux-64",
        version="1.0",
        build=build,
        build_number=0,
        size=1_000_000 + position,
        sha256=_digest(name, column, "file"),
        content=_digest(name, column, "content"),
        payload_files=12,
        built=NOW - timedelta(seconds=position),
        channels=(CHANNEL,),
    )


def _attempt(name: str, column: str, day: int) -> model.Attempt:
    return model.Attempt(
        partition=column,
        at=NOW - timedelta(days=day, minutes=COLUMNS.index(column)),
        outcome="built, because: never built",
        seconds={"test": 3.2, "render": 0.01, "solve and build": 61.5 + day, "script": 55.1},
        size=1_000_000 + 1000 * day,
        run="00000000-0000-0000-0000-000000000000",
        log=None,
    )


def _migration(packages: tuple[model.Package, ...], key: str) -> model.Migration:
    of = {
        "published": State.PUBLISHED,
        "failed": State.FAILED,
        "unsolvable": State.UNSOLVABLE,
        "blocked": State.BLOCKED,
    }
    groups = {
        name: tuple(
            model.Reference(package=package.name, partition=key)
            for package in packages
            if package.variants[COLUMNS.index(key)].state is of.get(name)
        )
        for name in ("published", "building", "waiting", "failed", "unsolvable", "blocked", "skipped")
    }
    values = dict(zip(("cuda", "python"), key.split("|"), strict=True))
    return model.Migration(key=key, page=key.replace("|", "_"), values=values, groups=groups, obstacles=())


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def measure_site(recipes: int) -> dict[str, float]:
    report = large_report(recipes)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        started = time.monotonic()
        for name, text in site_files(report, logs="../"):
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).write_text(text, encoding="utf-8")
        written = time.monotonic() - started
        size = {path.relative_to(site).as_posix(): path.stat().st_size for path in site.rglob("*.*") if path.is_file()}
        matrix = sum(
            bytes_ for name, bytes_ in size.items() if name == "index.html" or name.split("/")[0] in ("data", "static")
        )
        figures = {
            "site written, s": round(written, 1),
            "matrix with all details, MB": round(matrix / 1e6, 2),
            "of it the page, MB": round(size["index.html"] / 1e6, 2),
            "a package's page, kB": round(size[f"package/{report.packages[0].page}.html"] / 1e3, 1),
            "report.json, MB": round(size["report.json"] / 1e6, 1),
        }
        if not missing_programs():
            with browser(1600, 900) as window:
                window.open((site / "index.html").as_uri())
                taken = [value for _ in range(3) for value in window.driver.execute_async_script(FILTER)]
            figures["filter, median ms"] = round(statistics.median(taken), 1)
            figures["filter, slowest ms"] = round(max(taken), 1)
        return figures


def measure_forge(recipes: int) -> dict[str, float]:
    """`wvforge report` over recipes that nobody built."""
    text = (
        "package: {{name: package-{0:04}, version: '1.0'}}\n"
        "build: {{variant: {{use_keys: [cuda_version, python]}}, script: ['true']}}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "forge.yaml").write_text("channels: []\n", encoding="utf-8")
        (root / "variants.yaml").write_text(json.dumps({"cuda_version": CUDA, "python": PYTHON}), encoding="utf-8")
        for number in range(recipes):
            recipe = root / "pkgs" / f"package-{number:04}" / "recipe.yaml"
            recipe.parent.mkdir(parents=True)
            recipe.write_text(text.format(number), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("wvforge")), "--forge", str(root), "report"]
        seconds = []
        for _ in range(2):
            started = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.monotonic() - started)
    return {"wvforge report, first time, s": round(seconds[0], 1), "wvforge report, again, s": round(seconds[1], 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--recipes", type=int, default=1000)
    parser.add_argument("--forge", action="store_true", help="also time the command over such a forge")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    figures: dict[str, float] = measure_site(arguments.recipes)
    if arguments.forge:
        figures |= measure_forge(arguments.recipes)
    for name, value in figures.items():
        print(f"{name:<34} {value:>10}")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"recipes": arguments.recipes, **figures}, indent=2) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
