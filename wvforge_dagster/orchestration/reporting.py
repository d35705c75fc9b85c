"""The report of a forge: what `status`, `explain` and Dagster's storage say, as one value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg

from wvforge_dagster import __version__
from wvforge_dagster.core import migration as columns
from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.derive import derive
from wvforge_dagster.core.state import Status
from wvforge_dagster.core.timeline import Ran, make_timeline
from wvforge_dagster.orchestration.evidence import gather
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.instance import open_quiet_instance, storage_faults
from wvforge_dagster.orchestration.past_runs import PastAttempt, known_packages, last_builds, past_attempts
from wvforge_dagster.orchestration.reported_variants import (
    Told,
    known_architectures,
    public_url,
    references,
    report_attempt,
    report_variant,
)
from wvforge_dagster.orchestration.updates import new_releases
from wvforge_dagster.report.model import (
    Bar,
    Build,
    Column,
    Idle,
    Migration,
    Need,
    Obstacle,
    Package,
    Report,
    Target,
)
from wvforge_dagster.report.naming import file_names
from wvforge_dagster.settings import dagster_home


def make_report(forge: ForgeOnDisk) -> Report:
    """Everything that is known of a forge, now. Asks no network.

    Raises:
        ForgeError: if Dagster's storage or the staging channel cannot be read.
    """
    evidence = gather(forge)
    statuses = derive(forge.catalog, evidence)
    with open_quiet_instance(forge) as instance, storage_faults(dagster_home(forge.output)):
        attempts = _attempts(forge, instance)
        builds = tuple(
            build for name, runs in last_builds(instance).items() if (build := _build(forge, name, runs)) is not None
        )
    told = Told.of(evidence, statuses, attempts, known_architectures(forge, statuses.values()))
    return Report(
        forge=forge.root.name,
        made=datetime.now(UTC),
        wvforge=__version__,
        platform=forge.forge.platform,
        columns=tuple(
            Column(key=key, values=dict(forge.catalog.dimensions.split(key))) for key in forge.catalog.dimensions.keys()
        ),
        targets=tuple(
            Target(label=channel.label, url=public_url(target, channel), publish=target.publish)
            for target, channel in forge.targets
        ),
        packages=_packages(forge, told),
        migrations=tuple(report_migrations(forge, statuses)),
        builds=builds,
    )


def report_migrations(forge: ForgeOnDisk, statuses: Mapping[VariantId, Status]) -> Iterable[Migration]:
    """How far each column and each value of a dimension is."""
    keys = columns.migration_keys(forge.catalog.dimensions)
    pages = file_names(keys)
    for key in keys:
        found = columns.migration_of(forge.catalog, statuses, key)
        yield Migration(
            key=key,
            page=pages[key],
            values=dict(found.values),
            groups={name: references(status.id for status in group) for name, group in found.groups.items()},
            obstacles=tuple(
                Obstacle(
                    kind="missing" if item.kind == "missing" else "failed",
                    name=item.name,
                    reason=item.reason,
                    stuck=references(item.stuck),
                    holds_up=references(item.holds_up),
                    alone=references(item.alone),
                )
                for item in found.obstacles
            ),
        )


def _attempts(forge: ForgeOnDisk, instance: dg.DagsterInstance) -> dict[str, tuple[PastAttempt, ...]]:
    """By package."""
    known = known_packages(instance)
    return {
        name: past_attempts(instance, name, len(package.dimensions.keys()))
        for name, package in forge.catalog.packages.items()
        if name in known
    }


def _packages(forge: ForgeOnDisk, told: Told) -> tuple[Package, ...]:
    variants: dict[str, list[VariantId]] = defaultdict(list)
    for identity in told.statuses:
        variants[identity.package].append(identity)
    needed_by: dict[str, list[str]] = defaultdict(list)
    for package in forge.catalog.packages.values():
        for other in package.needed_names:
            needed_by[other].append(package.name)
    pages = file_names(variants)
    releases = new_releases(forge)
    return tuple(
        _package(forge, told, name, pages[name], identities, needed_by[name], releases)
        for name, identities in variants.items()
    )


def _package(
    forge: ForgeOnDisk,
    told: Told,
    name: str,
    page: str,
    identities: Iterable[VariantId],
    needed_by: list[str],
    releases: Mapping[str, str],
) -> Package:
    package = forge.catalog.packages.get(name)
    recipe = package.recipe if package else None
    about = recipe.about if recipe else None
    return Package(
        name=name,
        page=page,
        recipe=package.path if package else None,
        level=package.level if package else None,
        version=recipe.outputs[0].version if recipe and recipe.outputs else None,
        new_release=releases.get(name),
        summary=(about.summary or about.description).strip() if about else "",
        license=about.license if about else "",
        homepage=about.homepage if about else "",
        maintainers=about.maintainers if about else (),
        fault=package.fault if package else None,
        dimensions=package.dimensions.names if package else (),
        needs=tuple(Need(package=other, sections=sections) for other, sections in (package.needs if package else ())),
        needed_by=tuple(needed_by),
        variants=tuple(report_variant(forge, told, identity) for identity in identities),
        history=tuple(report_attempt(forge, attempt) for attempt in told.attempts.get(name, ())),
    )


def _build(forge: ForgeOnDisk, name: str, runs: tuple[Ran, ...]) -> Build | None:
    variants = forge.catalog.variants

    def needs(identity: VariantId) -> Iterable[VariantId]:
        variant = variants.get(identity)
        return variant.needs if variant else ()

    timeline = make_timeline(runs, needs)
    if timeline is None:
        return None
    return Build(
        id=name,
        started=_time(timeline.started),
        ended=_time(timeline.ended),
        workers=timeline.workers,
        worked=round(timeline.worked, 3),
        chain=references(timeline.chain),
        chain_seconds=round(timeline.chain_seconds, 3),
        bars=tuple(
            Bar(
                package=bar.ran.id.package,
                partition=bar.ran.id.partition or None,
                started=_time(bar.ran.started),
                ended=_time(bar.ran.ended),
                ready=_time(min(bar.ready, bar.ran.started)),
                worker=bar.worker,
                outcome="done" if bar.ran.outcome == "done" else "failed",
                reason=bar.ran.reason,
                on_chain=bar.on_chain,
            )
            for bar in timeline.bars
        ),
        idle=tuple(
            Idle(worker=item.worker, started=_time(item.started), ended=_time(item.ended)) for item in timeline.idle
        ),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
