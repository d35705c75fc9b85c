"""What a long command shows while it runs."""

from __future__ import annotations

import io
import time

from rich.console import Console
from small_forge import SmallForge

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.locks import upload_lock
from wvforge_dagster.orchestration.run_plan import Event
from wvforge_dagster.orchestration.under_way import under_way
from wvforge_dagster.progress import BuildProgress, UpstreamProgress
from wvforge_dagster.upstream.report import UpstreamEvent


def wait_for(stream: io.StringIO, words: str) -> str:
    """The first line with these words."""
    for _ in range(500):
        for line in stream.getvalue().splitlines():
            if words in line:
                return line
        time.sleep(0.02)
    raise AssertionError(stream.getvalue())


def test_what_is_still_being_made_is_told_with_its_log_where_the_output_is_no_terminal() -> None:
    stream = io.StringIO()
    with BuildProgress(Console(file=stream), lambda _: "log /logs/a.log", every_s=0.05) as progress:
        progress.on_event(Event("started", VariantId("a"), "never built"))
        progress.on_event(Event("started", VariantId("b"), "never built"))
        progress.on_event(Event("done", VariantId("b"), "built"))
        assert wait_for(stream, "still") == "still     a: 0 s, log /logs/a.log"
        assert "still     b" not in stream.getvalue()
        progress.on_event(Event("done", VariantId("a"), "built"))
        assert wait_for(stream, "asking") == "still     asking channels, or solving: 0 s"
    ended = stream.getvalue()
    time.sleep(0.2)
    assert stream.getvalue() == ended


def test_how_far_the_upstream_channel_is_is_told_where_the_output_is_no_terminal() -> None:
    stream = io.StringIO()
    with UpstreamProgress(Console(file=stream), every_s=0.05) as progress:
        progress.on_event(UpstreamEvent("making", "python-3.12", "", 3, 40))
        assert wait_for(stream, "still") == "still     upstream: 3 of 40, 0 s; last: making python-3.12"


def test_what_a_package_variant_waits_for_is_its_upload_or_its_log(small_forge: SmallForge) -> None:
    small_forge.package("a")
    forge, a = small_forge.open(), VariantId("a")
    assert under_way(forge, a) == ""
    for name in ("20260101T000000.000000Z.log", "20260102T000000.000000Z.log"):
        log = small_forge.write(f"output/logs/a/all/{name}", "")
    assert under_way(forge, a) == f"log {log}"
    with upload_lock(forge, a):
        assert under_way(forge, a) == "being uploaded to file:output/channel"
    assert under_way(forge, a) == f"log {log}"
