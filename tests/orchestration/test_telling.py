"""Telling of a forge: what recipients get by way of builds, Dagster's runs and the nightly run, and what they do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from servers.receivers import PASSWORD, Webhook, mail_server, nobody, silent_server
from small_forge import SmallForge

from orchestration.making import TESTS_FOLDER, make_and_publish, why_not_made
from orchestration.test_command import fault, run
from orchestration.upstream import Upstream
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.notices import Mark, Notice
from wvforge_dagster.core.recipients import VARIABLE_PREFIX
from wvforge_dagster.orchestration import telling
from wvforge_dagster.orchestration.code_location import forge_definitions
from wvforge_dagster.orchestration.evidence import derive_statuses
from wvforge_dagster.orchestration.instance import open_quiet_instance
from wvforge_dagster.orchestration.telling import night_told, tell
from wvforge_dagster.orchestration.told import claim, take_back
from wvforge_dagster.settings import secrets_here, take_secrets

HOOK = f"{VARIABLE_PREFIX}HOOK"
MAIL = f"{VARIABLE_PREFIX}MAIL"


@pytest.fixture
def webhook(small_forge: SmallForge, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A receiver that the small forge tells everything."""
    configure(small_forge)
    with Webhook() as receiver:
        monkeypatch.setenv(HOOK, receiver.address)
        yield receiver


def configure(forge: SmallForge, *more: dict[str, object]) -> None:
    forge.configure(channels=[], variants=[], notify=[{"variable": HOOK}, *more])


def tell_now(forge: SmallForge) -> list[str]:
    """Who could not be told."""
    opened = forge.open()
    return [str(one) for one in tell(opened, derive_statuses(opened))]


def lines_of(webhook: Webhook) -> list[str]:
    return [line for _, lines in webhook.told() for line in lines]


FAILED = "a (script): "


def fail(forge: SmallForge, script: str = "exit 1") -> None:
    forge.package("a", script)
    why_not_made(forge, "a")


def test_a_failure_is_told_once_until_its_inputs_change(small_forge: SmallForge, webhook: Webhook) -> None:
    for script, told in (("exit 1", True), ("exit 1", False), ("exit 2", True)):
        fail(small_forge, script)
        assert tell_now(small_forge) == []
        found = webhook.told()
        assert [title for title, _ in found] == (["forge: 1 package variant failed"] if told else [])
        assert all(line.startswith(FAILED) and "logs/a/all/" in line for _, lines in found for line in lines)


def test_when_the_file_of_what_was_told_is_lost_one_message_is_repeated(
    small_forge: SmallForge, webhook: Webhook
) -> None:
    small_forge.recipe("a", "package: 5")
    assert tell_now(small_forge) == []
    told = webhook.told()
    (small_forge.root / "output/told.json").unlink()
    assert tell_now(small_forge) == []
    assert webhook.told() == told
    assert tell_now(small_forge) == []
    assert webhook.told() == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"WVFORGE_NOTIFY_HOOK": [1]}', "\x00", b"\xff"])
def test_a_damaged_file_of_what_was_told_is_as_good_as_none(small_forge: SmallForge, damage: str | bytes) -> None:
    forge, mark = small_forge.open(), Mark("column", "", "0")
    notices = (Notice("column", "t", ("l",), marks=(mark,)),)
    assert claim(forge, HOOK, lambda told: () if mark in told else notices) == notices
    small_forge.write("output/told.json", damage)
    assert claim(forge, HOOK, lambda told: () if mark in told else notices) == notices
    assert claim(forge, HOOK, lambda told: () if mark in told else notices) == ()
    take_back(forge, HOOK, (mark,))
    assert claim(forge, HOOK, lambda told: () if mark in told else notices) == notices


TELL = """
import sys; sys.path.insert(0, sys.argv[1])
from small_forge import SmallForge
from orchestration.test_telling import tell_now
forge = SmallForge.__new__(SmallForge); forge.root = __import__("pathlib").Path(sys.argv[2])
print(tell_now(forge))
"""


def test_of_two_processes_at_once_one_tells(small_forge: SmallForge, webhook: Webhook) -> None:
    small_forge.recipe("a", "package: 5")
    command = [sys.executable, "-c", TELL, str(TESTS_FOLDER), str(small_forge.root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in both] == ["[]\n", "[]\n"]
    assert len(webhook.messages) == 1


def test_recipients_get_the_events_that_they_are_to_get(
    small_forge: SmallForge, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(small_forge, {"variable": MAIL, "events": ["column"]})
    small_forge.recipe("a", "package: 5")
    with mail_server() as (address, mails):
        monkeypatch.setenv(MAIL, address)
        assert tell_now(small_forge) == []
        assert (len(webhook.told()), mails) == (1, [])
        small_forge.package("a")
        make_and_publish(small_forge, "a")
        assert tell_now(small_forge) == []
    assert [mail["Subject"] for mail in mails] == ["forge: 1 column complete"]
    assert lines_of(webhook) == ["all of it: 1 of 1 package variants are up to date"]


def test_what_is_published_upstream_makes_solvable_what_was_not(
    small_forge: SmallForge, webhook: Webhook, tmp_path: Path
) -> None:
    upstream = Upstream(tmp_path / "upstream")
    small_forge.configure(channels=[upstream.setting], variants=[], notify=[{"variable": HOOK, "events": ["solvable"]}])
    small_forge.package("a", host=("late",))
    why_not_made(small_forge, "a")
    assert tell_now(small_forge) == []
    assert webhook.told() == []
    upstream.add("late")
    make_and_publish(small_forge, "a")
    assert tell_now(small_forge) == []
    assert lines_of(webhook) == ["a: could not be solved, and can be now; it is published"]


def test_a_target_that_does_not_answer_is_one_warning_and_is_told_once_it_does(
    small_forge: SmallForge, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_forge.recipe("a", "package: 5")
    where = f"{small_forge.root}/forge.yaml: notify: {HOOK}"
    for address, words in (
        (nobody(), "was not told: A Connection error occurred sending JSON notification to ***: Connection refused"),
        (PASSWORD, "was not told: it is no address that apprise knows"),
    ):
        monkeypatch.setenv(HOOK, address)
        assert tell_now(small_forge) == [f"{where} {words}; try it with wvforge notify-test"]
    monkeypatch.delenv(HOOK)
    assert tell_now(small_forge) == [f"{where} is not set; set it, to nothing if nobody is to be told from here"]
    monkeypatch.setenv(HOOK, "")
    assert tell_now(small_forge) == []
    with silent_server() as silent, monkeypatch.context() as patched:
        patched.setattr(telling, "SECONDS", 1.0)
        patched.setenv(HOOK, silent)
        assert tell_now(small_forge) == [f"{where} was not told: no answer within 1 s; try it with wvforge notify-test"]
    monkeypatch.setenv(HOOK, webhook.address)
    assert tell_now(small_forge) == []
    assert len(lines_of(webhook)) == 1


def test_what_one_address_of_a_recipient_took_is_not_told_to_it_again(
    small_forge: SmallForge, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOOK, f"{nobody()} {webhook.address}")
    small_forge.recipe("a", "package: 5")
    assert "1 of 2 were not told" in tell_now(small_forge)[0]
    assert tell_now(small_forge) == []
    assert len(lines_of(webhook)) == 1


def test_where_nothing_can_be_written_only_the_nightly_run_is_told_and_the_rest_is_a_warning(
    small_forge: SmallForge, webhook: Webhook
) -> None:
    small_forge.recipe("a", "package: 5")
    opened = small_forge.open()
    statuses = derive_statuses(opened)
    lock = small_forge.root / "output/told.lock"
    lock.mkdir(parents=True)
    assert [str(one) for one in tell(opened, statuses, Notice("nightly", "night", ("five",)))] == [
        f"{small_forge.root}/forge.yaml: notify: what is new was not told: {lock}: Is a directory; what was told is kept there"
    ]
    assert webhook.told() == [("night", ["five"])]


def test_what_starts_builds_has_no_address_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "environ", {HOOK: "json://x", f"{VARIABLE_PREFIX}ANY": "", "PREFIX_API_KEY": "k", "PATH": ""}
    )
    assert secrets_here() == {"PREFIX_API_KEY": "k"}, "workers publish, and tell nobody"
    assert {*take_secrets()} == {HOOK, f"{VARIABLE_PREFIX}ANY", "PREFIX_API_KEY"}
    assert os.environ == {"PATH": ""}


def test_a_nightly_run_that_ends_with_a_fault_is_told(small_forge: SmallForge, webhook: Webhook) -> None:
    with pytest.raises(ForgeError), night_told(small_forge.open()):
        raise ForgeError("cannot be written", where="staging")
    assert webhook.told() == [("forge: the nightly run did not finish", ["staging: cannot be written"])]


def test_a_run_of_dagsters_that_failed_is_told_by_the_next_tick_of_the_sensor(
    small_forge: SmallForge, webhook: Webhook
) -> None:
    small_forge.package("a", "exit 1")
    small_forge.package("b")
    definitions = forge_definitions(small_forge.open())
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("notify")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING

    def tick(cursor: str | None) -> tuple[str, str | None]:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        found = sensor(context)
        assert isinstance(found, dg.SkipReason)
        return found.skip_message or "", context.cursor

    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(None) == ("no run ended since the last look", None)
        job = repository.get_implicit_global_asset_job_def()
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        words, cursor = tick(None)
        assert (words, len(lines_of(webhook))) == ("everybody was told what is new", 1)
        assert tick(cursor) == ("no run ended since the last look", cursor)
        assert tick(None)[0] == "everybody was told what is new"
    assert webhook.told() == []


def test_a_forge_that_tells_nobody_has_no_such_sensor(small_forge: SmallForge) -> None:
    names = [sensor.name for sensor in forge_definitions(small_forge.open()).get_repository_def().sensor_defs]
    assert "notify" not in names


def everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.integration
def test_a_build_tells_shows_warnings_and_no_address_and_its_scripts_see_none(
    small_forge: SmallForge, webhook: Webhook
) -> None:
    keys = {"channels": [], "variants": [], "isolation": "off"}
    small_forge.configure(**keys, notify=[{"variable": HOOK}, {"variable": MAIL}])
    seen = small_forge.root / "seen"
    spy = f"env > {seen}; cat /proc/*/environ > {seen}-elsewhere 2>&1 || true; false"
    small_forge.package("a", spy)
    first = run(small_forge, "build")
    assert first.returncode == 1
    unset = f"{MAIL} is not set; set it, to nothing if nobody is to be told from here"
    assert f"warning: {small_forge.root}/forge.yaml: notify: {unset}" in first.stderr.splitlines()
    ((title, (line,)),) = webhook.told()
    assert (title, line.startswith(FAILED)) == ("forge: 1 package variant failed", True)
    small_forge.configure(**keys, notify=[{"variable": HOOK}])
    again = run(small_forge, "build", "--retry-failed")
    assert (again.returncode, webhook.told()) == (1, [])
    small_forge.package("a")
    mended = run(small_forge, "build")
    assert (mended.returncode, "notify" in mended.stderr) == (0, False)
    assert lines_of(webhook) == ["all of it: 1 of 1 package variants are up to date"]
    assert all(PASSWORD not in done.stdout + done.stderr for done in (first, again, mended))
    assert PASSWORD.encode() not in everything_below(small_forge.root / "output")
    assert HOOK not in seen.read_text(errors="replace")
    if os.getuid() != 0:  # root reads everything
        assert PASSWORD not in Path(f"{seen}-elsewhere").read_text(errors="replace")


@pytest.mark.integration
@pytest.mark.parametrize("by", ["wvforge nightly", "Dagster's job"])
def test_the_nightly_run_is_told_in_five_lines(small_forge: SmallForge, webhook: Webhook, by: str) -> None:
    small_forge.configure(channels=[], variants=[], notify=[{"variable": HOOK, "events": ["nightly"]}])
    small_forge.package("a")
    small_forge.package("b", "exit 1")
    if by == "wvforge nightly":
        assert run(small_forge, "nightly").returncode == 1
    else:
        forge = small_forge.open()
        job = forge_definitions(forge).get_repository_def().get_job("nightly")
        with open_quiet_instance(forge) as instance:
            assert not job.execute_in_process(instance=instance, raise_on_error=False).success
    ((title, lines),) = webhook.told()
    assert title == "forge: nightly run, 1 failed"
    assert lines[:4] == ["built: 1 (a)", "published: 1 (a)", "failed: 1 (b)", "unsolvable: 0; blocked: 0"]
    assert (len(lines), lines[4].startswith("took ")) == (5, True)


@pytest.mark.integration
def test_notify_test_sends_a_message_to_every_entry_and_says_what_came_of_each(
    small_forge: SmallForge, webhook: Webhook
) -> None:
    configure(small_forge, {"variable": MAIL, "events": ["column", "nightly"]})
    done = run(small_forge, "notify-test")
    assert (done.returncode, done.stdout, done.stderr) == (1, f"{HOOK}: told\n", f"{MAIL} is not set\n")
    assert webhook.told() == [
        ("forge: a test", ["You will be told of: failure, column, solvable, nightly."]),
    ]
    small_forge.configure(channels=[], variants=[])
    assert fault(run(small_forge, "notify-test")) == (
        f"wvforge: {small_forge.root}/forge.yaml: notify: there is none; write whom to tell, "
        "see docs/automation.md (see docs/forge-yaml.md#key-notify)"
    )
