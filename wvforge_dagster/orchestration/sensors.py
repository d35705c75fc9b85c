"""The sensor of changed recipes: compares digests with what the channels hold, and asks for what is out of date."""

# No `from __future__ import annotations` here: Dagster reads the annotations of the sensor when it is defined.

import json
import threading
import time
from collections.abc import Iterable, Mapping
from functools import cache, partial

import dagster as dg
from dagster._core.remote_origin import CodeLocationOrigin, GrpcServerCodeLocationOrigin

from wvforge_dagster.core.catalog import Catalog, Package, VariantId
from wvforge_dagster.core.derive import derive
from wvforge_dagster.core.digest import digest
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.evidence import RecipeFiles
from wvforge_dagster.core.state import State
from wvforge_dagster.orchestration.asset_specs import asset_signature, op_name
from wvforge_dagster.orchestration.evidence import gather
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk, open_forge
from wvforge_dagster.orchestration.keys import BUILD, package_key, package_of, upload_key
from wvforge_dagster.orchestration.recipe_files import files_of_recipes
from wvforge_dagster.orchestration.recording import end_dead_runs
from wvforge_dagster.orchestration.run_worker import REASON_TAG
from wvforge_dagster.orchestration.watching import Request, requests

WANTS_TAG = ".dagster/wvforge_wants"
"""What a run was asked to make: JSON from package to want. Tags of this prefix are not shown."""

REQUEST_TAG = "wvforge/request"
CHANGED = "changed recipe"
INTERVAL_SECONDS = 30
SETTLED_RUNS = 200
SETTLED_SECONDS = 600.0
"""How long a run that ended keeps what it was to make from being asked for again.

What failed is in the state `failed` and not asked for in any case; what was skipped behind it may be possible by now, and what
succeeded may have been removed from the channels since. Only what somebody cancelled is left until its inputs change.
"""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def changed_recipes_sensor(loaded: ForgeOnDisk, files: Mapping[str, RecipeFiles] | None = None) -> dg.SensorDefinition:
    """The sensor ``changed_recipes`` of a code location whose definitions were made from `loaded`.

    Args:
        files: of its recipes, as they were then.
    """
    as_loaded = files_of_recipes(loaded) if files is None else files
    # By the first tick, not by the loading: processes that execute runs have no ticks.
    signature = cache(partial(forge_signature, loaded, as_loaded))
    status = dg.DefaultSensorStatus.RUNNING if loaded.forge.watch is not None else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="changed_recipes",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=loaded.forge.watch or INTERVAL_SECONDS,
        default_status=status,
        description="Builds, tests and publishes what is out of date when a recipe, a variant file or a channel changed; "
        "one run for each column, with the reason as its tag.",
    )
    def changed_recipes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            forge = open_forge(loaded.settings)
            evidence = gather(forge)
        except ForgeError as fault:
            return dg.SkipReason(f"the forge cannot be read: {fault}")
        if forge_signature(forge, evidence.files) != signature():
            how = reload(context.code_location_origin)
            return dg.SkipReason(f"recipes or variant files changed since the definitions were loaded: {how}")
        statuses = derive(forge.catalog, evidence)
        end_dead_runs(context.instance, forge)
        wanted = requests(
            forge.catalog,
            statuses,
            evidence.failures,
            busy_variants(context.instance, forge.catalog),
            settled_wants(context.instance),
        )
        if not wanted:
            return dg.SkipReason(_why_nothing(status.state for status in statuses.values()))
        return dg.SensorResult(run_requests=[run_request(forge, request) for request in wanted])

    return changed_recipes


def forge_signature(forge: ForgeOnDisk, files: Mapping[str, RecipeFiles]) -> str:
    """Changes with everything that the definitions of the forge show: assets, their partitions, edges, checks and texts.

    Args:
        files: of the recipes that can be read, by package.
    """
    packages = forge.catalog.packages.values()
    return digest([asset_signature(forge, package, files.get(package.name)) for package in packages])


def reload(origin: CodeLocationOrigin | None) -> str:
    """Have the code location loaded anew, once this tick is over. Returns what happens, in words.

    ``dagster dev`` serves it from a process that starts this one and can start another in its place; a daemon without such a
    server loads it anew once a minute by itself.
    """
    if not isinstance(origin, GrpcServerCodeLocationOrigin):
        return "the daemon loads them anew within a minute"

    def ask() -> None:
        time.sleep(1.0)
        origin.create_client().reload_code(timeout=300)

    threading.Thread(target=ask, daemon=True, name="wvforge-reload").start()
    return "they are being loaded anew"


def busy_variants(instance: dg.DagsterInstance, catalog: Catalog) -> frozenset[VariantId]:
    """The package variants that queued and running runs are to make, whoever asked for them."""
    found: set[VariantId] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        partition = run.tags.get("dagster/partition", "")
        for package in _packages_of(run, instance, catalog):
            found.add(VariantId(package.name, partition if package.dimensions.values else ""))
    return frozenset(found)


def _packages_of(run: dg.DagsterRun, instance: dg.DagsterInstance, catalog: Catalog) -> Iterable[Package]:
    """The packages that a run builds or uploads. One of a whole job, such as a backfill's, names no assets: its ops tell."""
    if run.asset_selection:
        names = {package_of(key) for key in run.asset_selection}
        return [package for name, package in catalog.packages.items() if name in names]
    ops = set(instance.get_job_snapshot(run.job_snapshot_id).node_names) if run.job_snapshot_id else set()
    return [package for name, package in catalog.packages.items() if op_name(BUILD, name, catalog) in ops]


def settled_wants(instance: dg.DagsterInstance) -> Mapping[VariantId, str]:
    """For each package variant, the want of the last run that this sensor asked for, whether it failed or is to be waited for.

    One that ended long ago settles nothing: see `SETTLED_SECONDS`.
    """
    found: dict[VariantId, str] = {}
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: CHANGED}), limit=SETTLED_RUNS)
    for record in records:
        run = record.dagster_run
        age = time.time() - (record.end_time or time.time())
        old = run.is_finished and run.status != dg.DagsterRunStatus.CANCELED and age > SETTLED_SECONDS
        partition = run.tags.get("dagster/partition", "")
        for name, want in _wants_of(run).items():
            found.setdefault(VariantId(name, partition), "" if old else want)
    return found


def _wants_of(run: dg.DagsterRun) -> Mapping[str, str]:
    try:
        wants = json.loads(run.tags.get(WANTS_TAG, "{}"))
    except ValueError:
        return {}
    return wants if isinstance(wants, dict) else {}


def run_request(forge: ForgeOnDisk, request: Request) -> dg.RunRequest:
    """The run that makes and publishes what is requested."""
    names = [identity.package for identity in request.wants]
    tags = {
        REQUEST_TAG: CHANGED,
        REASON_TAG: request.reason[:500],
        WANTS_TAG: json.dumps({identity.package: want for identity, want in request.wants.items()}),
    }
    reasons = {identity.package: reason for identity, reason in request.reasons.items()}
    config = {
        op_name(BUILD, name, forge.catalog): {"config": {"reason": reasons.get(name, "follows what it needs")}}
        for name in names
    }
    return dg.RunRequest(
        partition_key=request.partition or None,
        asset_selection=[key(name) for name in names for key in (package_key, upload_key)],
        tags=tags,
        run_config={"ops": config},
    )


def _why_nothing(states: Iterable[State]) -> str:
    found = [state for state in states if state is not State.ELSEWHERE]
    stuck = sum(1 for state in found if state in (State.FAILED, State.UNSOLVABLE, State.BLOCKED))
    busy = sum(1 for state in found if state in (State.BUILDING, State.WAITING, State.STALE, State.MISSING))
    if not stuck and not busy:
        return f"all {len(found)} package variants are up to date"
    parts = [f"{busy} are being made or were asked for already"] if busy else []
    if stuck:
        parts.append(f"{stuck} failed, are blocked or cannot be solved, and are left until their inputs change")
    return "nothing new to do: " + "; ".join(parts)
