"""Reports as values, with what a test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from wvforge_dagster.core.install import install_lines
from wvforge_dagster.core.state import State
from wvforge_dagster.report import model

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TARGET = "file:output/channel"


def file(name: str, **changed: Any) -> model.File:
    values = {
        "name": name,
        "filename": f"{name}-1.0-h_0.conda",
        "subdir": "linux-64",
        "version": "1.0",
        "build": "h_0",
        "build_number": 0,
        "size": 1234,
        "sha256": "a" * 64,
        "content": "b" * 64,
        "payload_files": 3,
        "built": NOW,
        "channels": (TARGET,),
    }
    return model.File(**values | changed)


def variant(name: str, partition: str | None = None, state: State = State.PUBLISHED, **changed: Any) -> model.Variant:
    lines = install_lines(name, [f"{name}=1.0"], ["file:///srv/channel"])
    install = model.InstallLines(channel=TARGET, specs=(f"{name}=1.0",), channels=("file:///srv/channel",), lines=lines)
    values = {
        "partition": partition,
        "state": state,
        "reason": "up to date",
        "channels": (TARGET,),
        "files": (file(name),),
        "tests": ("script",),
        "tested": True,
        "inputs": (model.Input(name="recipe", value="c" * 64),),
        "input_digest": "d" * 64,
        "log": f"logs/{name}/all/1.log",
        "last": attempt(partition),
        "install": (install,) if state is State.PUBLISHED else (),
    }
    return model.Variant(**values | changed)


def attempt(partition: str | None = None, hours: float = 0) -> model.Attempt:
    return model.Attempt(
        partition=partition,
        at=NOW - timedelta(hours=hours),
        outcome="built, because: never built",
        seconds={"render": 0.1, "solve and build": 12.0 + hours, "script": 9.0, "test": 1.5},
        size=1234,
        run="r",
        log=None,
    )


def package(
    name: str, *variants: model.Variant, needs: tuple[str, ...] = (), level: int = 0, **changed: Any
) -> model.Package:
    values = {
        "name": name,
        "page": name,
        "recipe": f"pkgs/{name}/recipe/recipe.yaml",
        "level": level,
        "version": "1.0",
        "summary": f"About {name}.",
        "license": "MIT",
        "homepage": "https://example.org/",
        "maintainers": ("alice",),
        "fault": None,
        "dimensions": ("cuda", "python") if variants and variants[0].partition else (),
        "needs": tuple(model.Need(package=other, sections=("host",)) for other in needs),
        "needed_by": (),
        "variants": variants or (variant(name),),
        "history": (attempt(None, 5), attempt(None, 1)),
    }
    return model.Package(**values | changed)


def with_needed_by(*packages: model.Package) -> dict[str, model.Package]:
    """By name, each with what needs it."""
    return {
        item.name: item.model_copy(
            update={"needed_by": tuple(o.name for o in packages if item.name in [need.package for need in o.needs])}
        )
        for item in packages
    }


def report(
    *packages: model.Package, columns: tuple[str, ...] = ("13.0|3.12", "13.0|3.13"), **changed: Any
) -> model.Report:
    values = {
        "forge": "small",
        "made": NOW,
        "wvforge": "0",
        "platform": "linux-64",
        "columns": tuple(
            model.Column(key=key, values=dict(zip(("cuda", "python"), key.split("|"), strict=True))) for key in columns
        ),
        "targets": (model.Target(label=TARGET, url="file:///srv/channel", publish="at-once"),),
        "packages": tuple(with_needed_by(*packages).values()),
        "migrations": (migration(packages),),
        "builds": (build(packages),),
    }
    return model.Report(**values | changed)


def migration(packages: tuple[model.Package, ...]) -> model.Migration:
    """All package variants, by the group of their state."""
    groups: dict[str, list[model.Reference]] = {
        name: [] for name in ("published", "building", "waiting", "failed", "unsolvable", "blocked", "skipped")
    }
    for item in packages:
        for one in item.variants:
            group = one.state.value if one.state.value in groups else "waiting"
            groups[group].append(model.Reference(package=item.name, partition=one.partition))
    obstacles = tuple(
        model.Obstacle(
            kind="failed", name=found.package, reason="it fails", stuck=(found,), holds_up=(found,), alone=(found,)
        )
        for found in groups["failed"]
    )
    named = {name: tuple(found) for name, found in groups.items()}
    return model.Migration(key="13.0", page="13.0", values={"cuda": "13.0"}, groups=named, obstacles=obstacles)


def build(packages: tuple[model.Package, ...]) -> model.Build:
    """One after another, the last one failed."""
    bars = tuple(
        model.Bar(
            package=item.name,
            partition=item.variants[0].partition,
            started=NOW + timedelta(seconds=10 * position),
            ended=NOW + timedelta(seconds=10 * position + 8),
            ready=NOW,
            worker=0,
            outcome="failed" if position and position == len(packages) - 1 else "done",
            reason="never built",
            on_chain=position == 0,
        )
        for position, item in enumerate(packages)
    )
    idle = model.Idle(worker=0, started=bars[0].ended, ended=bars[0].ended + timedelta(seconds=2))
    chain = (model.Reference(package=packages[0].name, partition=None),)
    return model.Build(
        id="b",
        started=NOW,
        ended=bars[-1].ended,
        workers=1,
        worked=8.0,
        chain=chain,
        chain_seconds=8.0,
        bars=bars,
        idle=(idle,),
    )
