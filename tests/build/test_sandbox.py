"""What a build script can find of its user's secrets, and what it can do to the machine."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from orchestration.making import TESTS_FOLDER, make, why_not_made
from small_forge import SmallForge

from build.places import sandboxed, wait_until
from wvforge_dagster.core.failure import FailureClass
from wvforge_dagster.cores import cores_of_machine
from wvforge_dagster.orchestration.make import Made

CANARY = "canary-7f3a"
REACH_IN = """
import ctypes, os
kernel = ctypes.CDLL(None, use_errno=True)
for name in filter(str.isdigit, os.listdir('/proc')):
    words = open(f'/proc/{name}/cmdline').read()
    if 'wvforge_dagster' not in words or 'bwrap' in words.split(chr(0))[0]:
        continue
    print('FOUND', words.replace(chr(0), ' '))
    if kernel.ptrace(16, int(name), 0, 0) == 0:
        print('REACHED by ptrace')
    for file in ('mem', 'environ', 'fd/0', 'fdinfo/0', 'maps'):
        try:
            os.open(f'/proc/{name}/{file}', os.O_RDONLY)
            print('REACHED', file)
        except OSError:
            pass
"""
SEARCH = r"""
    set +x
    found=$PREFIX/found; mkdir -p $PREFIX; touch $found
    env | grep CANARY_WORD >> $found || true
    grep -la CANARY_WORD /proc/[0-9]*/environ >> $found 2>/dev/null || true
    for place in ~root HOME_FOLDER HOME_FOLDER/.aws FORGE STORAGE SECRETS /tmp /var/tmp /run/user
    do grep -rlas --devices=skip CANARY_WORD $place >> $found || true; done
    test ! -S SECRETS/agent || echo agent >> $found
    echo processes: $(ls /proc | grep -c '^[0-9]*$') > $PREFIX/processes
"""
MAKE = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from textwrap import dedent
from small_forge import SmallForge
from orchestration.making import make
forge = SmallForge.__new__(SmallForge); forge.root = Path(sys.argv[2])
print([line for file in make(forge, 'a').log.parent.glob('*.log') for line in file.read_text().splitlines()])
"""


def words_in(made: Made) -> str:
    assert made.log is not None
    return made.log.read_text()


@pytest.fixture
def planted(small_forge: SmallForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """Secrets wherever secrets are: in the environment, at home, in Dagster's storage, beside the forge."""
    word = "-".join((CANARY, "word"))
    secrets, home, storage = tmp_path / "secrets", tmp_path / "home", tmp_path / "storage"
    for folder in (
        secrets,
        home / ".aws",
        home / ".ssh",
        home / ".config",
        storage,
        small_forge.root / "output/dagster",
    ):
        folder.mkdir(parents=True)
    files = [secrets / "auth.json", storage / "runs.db", small_forge.root / "output/dagster/event.db"]
    files += [small_forge.root / ".env", small_forge.root / "output/failures-log"]
    files += [home / name for name in (".netrc", ".aws/credentials", ".ssh/id", ".config/token")]
    for file in files:
        file.write_text(word)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(storage))
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(secrets / "auth.json"))
    for name in ("PREFIX_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, word)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(secrets / "agent"))
    with socket.socket(socket.AF_UNIX) as agent:
        os.chdir(secrets)
        agent.bind("agent")
        os.chdir(TESTS_FOLDER)
        yield {"SECRETS": secrets, "HOME_FOLDER": home, "STORAGE": storage, "FORGE": small_forge.root}


def search(places: dict[str, Path]) -> str:
    text = SEARCH.replace("CANARY_WORD", f'"{CANARY}""-word"')
    for name, place in places.items():
        text = text.replace(name, str(place))
    return text + "\ncat $found | sed 's/^/FOUND /'; cat $PREFIX/processes"


@sandboxed
def test_a_script_finds_no_secret(small_forge: SmallForge, planted: dict[str, Path]) -> None:
    small_forge.package("a", search(planted))
    # In a process of its own: what the environment holds is then in the environments of the parent and the grandparent.
    command = [sys.executable, "-c", MAKE, str(TESTS_FOLDER), str(small_forge.root)]
    done = subprocess.run(["sh", "-c", '"$@"; true', "sh", *command], capture_output=True, text=True)
    assert "processes: " in done.stdout, done.stderr
    assert "FOUND" not in done.stdout


def test_the_same_search_finds_them_without_a_sandbox(small_forge: SmallForge, planted: dict[str, Path]) -> None:
    small_forge.configure(channels=[], variants=[], isolation="off")
    # Where they were planted; elsewhere on the machine may lie files that a search takes minutes or all memory for.
    here = search(planted).replace(" ~root ", " ").replace(" /tmp /var/tmp /run/user", "")
    small_forge.package("a", here)
    words = words_in(make(small_forge, "a"))
    assert all(f"FOUND {planted[name]}" in words for name in planted)
    assert "FOUND agent" in words


@sandboxed
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_script_of_an_unprivileged_user_finds_no_secret(small_forge: SmallForge, planted: dict[str, Path]) -> None:
    user = pwd.getpwnam("nobody")
    try:
        command = [sys.executable, "-c", "import wvforge_dagster"]
        subprocess.run(command, user=user.pw_uid, group=user.pw_gid, cwd="/", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("an unprivileged user cannot start this Python")
    small_forge.package("a", search(planted))
    mine = small_forge.root.parent
    for path in (mine, *mine.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    # The folders above are those of all tests: they stay root's, and are only passed through.
    for path in mine.parents:
        if path.stat().st_uid == os.getuid() and path.is_relative_to(tempfile.gettempdir()):
            path.chmod(path.stat().st_mode | stat.S_IXOTH)
    command = [sys.executable, "-c", MAKE, str(TESTS_FOLDER), str(small_forge.root)]
    done = subprocess.run(
        ["sh", "-c", '"$@"; true', "sh", *command], capture_output=True, text=True, user=user.pw_uid, group=user.pw_gid
    )
    assert "processes: " in done.stdout, done.stderr
    assert "FOUND" not in done.stdout


@sandboxed
def test_a_source_that_names_what_is_kept_from_builds_is_refused(
    small_forge: SmallForge, planted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(planted["SECRETS"] / "netrc"))
    (planted["SECRETS"] / "netrc").write_text("machine")
    small_forge.package("a")
    (small_forge.root / "pkgs/a/recipe/link").symlink_to("/")
    home = planted["HOME_FOLDER"]
    recipe = small_forge.root / "pkgs/a/recipe"
    for place, path in (
        (home / ".netrc", os.path.relpath(home / ".netrc", recipe)),
        (home / ".ssh", f"link{home / '.ssh'}"),
        (home, str(home)),
        (planted["SECRETS"] / "netrc", str(planted["SECRETS"] / "netrc")),
        (planted["STORAGE"] / "runs.db", str(planted["STORAGE"] / "runs.db")),
        (small_forge.root / "output/failures-log", "../../../output/failures-log"),
    ):
        small_forge.package("a", more=f"source: [{{path: {path}}}]\n")
        failure = why_not_made(small_forge, "a").failure
        assert failure.reason.endswith(f"source: {place} is kept from builds; name another file or folder"), path
    small_forge.write("beside/file", "text")
    small_forge.package("a", "cat file", more="source: [{path: ../../../beside}]\n")
    assert "text" in words_in(make(small_forge, "a"))


@sandboxed
def test_only_its_own_folders_can_be_written(small_forge: SmallForge) -> None:
    small_forge.write("pkgs/a/src/source.txt", "as it was")
    tried = [
        "/usr/x",
        "/etc/x",
        "/x",
        "../../../../../../../staging/x",
        f"{small_forge.root}/x",
        f"{small_forge.root}/pkgs/a/src/x",
    ]
    script = "\n".join(f"! touch {path} 2>/dev/null" for path in tried)
    text = (
        "touch /tmp/x /var/tmp/x $HOME/x $SRC_DIR/x\ntest -f source.txt\n"
        + script
        + "\nmkdir -p $PREFIX; touch $PREFIX/a"
    )
    small_forge.package("a", text, more="source: {path: ../src}\n")
    assert make(small_forge, "a").ran
    assert not Path("/tmp/x").exists()
    assert [path.name for path in (small_forge.root / "pkgs/a/src").iterdir()] == ["source.txt"]


@sandboxed
def test_what_forge_yaml_calls_readable_is(small_forge: SmallForge, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "file").write_text("")
    small_forge.package("a", f"test -f {tmp_path}/tools/file; touch $PREFIX/a")
    assert why_not_made(small_forge, "a").failure.failure_class is FailureClass.SCRIPT
    small_forge.configure(channels=[], variants=[], readable=[str(tmp_path / "tools")])
    small_forge.package("a", f"test -f {tmp_path}/tools/file; mkdir -p $PREFIX; touch $PREFIX/a")
    assert make(small_forge, "a").ran


@sandboxed
def test_a_dependent_and_its_tests_are_made_in_the_sandbox(small_forge: SmallForge) -> None:
    small_forge.package("a")
    small_forge.package(
        "b", "cp $PREFIX/share/a.txt $PREFIX/b.txt", host=("a",), test="test -f $PREFIX/b.txt && ! test -e /proc/200000"
    )
    make(small_forge, "a")
    assert make(small_forge, "b").ran
    status = small_forge.status("b")
    assert status.artifacts[0].record is not None
    assert status.artifacts[0].record.recorded["isolation"] == "bubblewrap"


@sandboxed
def test_links_that_a_script_leaves_lead_neither_its_tests_nor_this_process_elsewhere(
    small_forge: SmallForge, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("untouched")
    folder = small_forge.root / "output/work/a/all/0"
    elsewhere = os.path.relpath(victim, folder)
    small_forge.package(
        "a",
        f"""
        cd {folder}
        for name in machine-tmp home; do mv $name old-$name; ln -s {elsewhere} $name; done
        ln -s {elsewhere}/file request.json
        touch $PREFIX/a
        """,
        test="echo written > /tmp/written; echo written > $HOME/written; ! test -e /tmp/file",
    )
    assert make(small_forge, "a").ran
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == "untouched"


@pytest.mark.parametrize("isolation", ["off", pytest.param("required", marks=sandboxed)])
def test_a_test_that_speaks_for_the_process_that_runs_it_has_not_passed(
    small_forge: SmallForge, isolation: str
) -> None:
    small_forge.configure(channels=[], variants=[], isolation=isolation)
    forge_it = """
    for entry in /proc/[0-9]*; do
      words=$(tr '\\0' ' ' < $entry/cmdline 2> /dev/null || true)
      case "$words" in *build.test_worker*SMALL*)
        printf '\\n{"event":"tested","name":"script","seconds":0.1,"passed":true}\\n' > $entry/fd/1 || true
        END
      esac
    done
    exit 1
    """
    for name, end in (("kills", "kill -9 ${entry#/proc/} || true"), ("goes-on", "true")):
        text = forge_it.replace("END", end).replace("SMALL", str(small_forge.root))
        small_forge.package(name, test=dedent(text))
        assert why_not_made(small_forge, name).failure.failure_class is not FailureClass.CHECK
        assert small_forge.states()[name] == "failed"


@sandboxed
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            """
            printf '\n{"event":"tested","name":"script","passed":true,"seconds":0.1}\n' > /proc/1/fd/1
            printf x > /proc/1/fd/1
            exit 1
            """,
            "the test's process gave no answer, or something else spoke in its name",
        ),
        (
            """
            printf '\n{"event":"log"}\n' > /proc/1/fd/1
            head -c 200M /dev/zero > /proc/1/fd/2
            exit 1
            """,
            "test script failed at `exit 1`",
        ),
        (
            "head -c 200M /dev/zero | tr '\\0' '\\n' > /proc/1/fd/1; sleep 60",
            "the test was ended: something else spoke in its name",
        ),
    ],
    ids=["an answer", "no event", "without an end"],
)
def test_a_test_that_writes_to_the_sandboxes_first_process_has_not_passed(
    small_forge: SmallForge, script: str, why: str
) -> None:
    small_forge.configure(channels=[], variants=[], isolation="required")
    small_forge.package("a", test=dedent(script))
    assert why_not_made(small_forge, "a").failure.reason.startswith(why)
    assert small_forge.states()["a"] == "failed"


@sandboxed
def test_a_script_cannot_reach_into_the_processes_that_run_it(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], isolation="required")
    script = (
        f"cat > reach.py <<'END'{REACH_IN}END\n{sys.executable} reach.py\ngrep Cap /proc/self/status /proc/1/status"
    )
    small_forge.package("a", script)
    words = words_in(make(small_forge, "a"))
    assert words.count("FOUND") == 2, "the supervisor and the worker"
    assert "REACHED" not in words
    rights = re.findall(r"Cap(?:Prm|Eff|Amb):\s*(\w+)", words)
    assert len(rights) == 6
    assert not any(int(right, 16) for right in rights)


@sandboxed
def test_kill_9_of_the_parent_ends_everything_in_the_sandbox(small_forge: SmallForge) -> None:
    length = "301.7531"
    small_forge.package("a", f"setsid sleep {length} & sleep {length}")

    def sleepers() -> list[Path]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            found += [path] if words[:2] == [b"sleep", length.encode()] else []
        return found

    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(TESTS_FOLDER), str(small_forge.root)], stdout=subprocess.DEVNULL
    )
    assert wait_until(lambda: len(sleepers()) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not sleepers(), 10)


def without_bwrap(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A PATH with everything but bwrap."""
    folder.mkdir()
    for entry in os.environ["PATH"].split(":"):
        for program in Path(entry).iterdir() if os.access(entry, os.R_OK) else ():
            target = folder / program.name
            if program.name != "bwrap" and not target.is_symlink():
                target.symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))


def test_without_bwrap_a_build_runs_with_a_warning_or_not_at_all(
    small_forge: SmallForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bwrap(monkeypatch, tmp_path / "programs")
    assert shutil.which("bwrap") is None
    place = f"{small_forge.root}/forge.yaml: isolation: "
    small_forge.package("a")
    small_forge.configure(channels=[], variants=[], isolation="required")
    assert str(why_not_made(small_forge, "a")) == (
        f"{place}builds cannot be isolated: there is no bwrap on this machine; install bubblewrap"
    )
    assert small_forge.states() == {"a": "missing"}
    small_forge.configure(channels=[], variants=[])
    warning = (
        f"warn: {place}builds are not isolated from your files: there is no bwrap on this machine; install bubblewrap"
    )
    assert warning in words_in(make(small_forge, "a"))
    small_forge.configure(channels=[], variants=[], isolation="off")
    assert "isolat" not in words_in(make(small_forge, "a", force=True))


def listening() -> tuple[socket.socket, int]:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=answer, daemon=True).start()
    return server, server.getsockname()[1]


@pytest.mark.parametrize("isolation", ["auto", "off"])
@pytest.mark.parametrize("where", ["forge", "recipe", "nowhere"])
def test_a_script_without_a_network_reaches_nobody(small_forge: SmallForge, where: str, isolation: str) -> None:
    server, port = listening()
    small_forge.configure(channels=[], variants=[], network=where != "forge", isolation=isolation)
    connect = f"(exec 3<>/dev/tcp/127.0.0.1/{port}) && echo it-is-reached || echo it-is-not-reached"
    extra = "extra:\n  wvforge:\n    network: false\n  recipe-maintainers: [me]\n" if where == "recipe" else ""
    small_forge.package("a", f"{connect}\nmkdir -p $PREFIX; touch $PREFIX/a", more=extra)
    with server:
        lines = words_in(make(small_forge, "a")).splitlines()
    assert ("it-is-reached" if where == "nowhere" else "it-is-not-reached") in lines
    assert small_forge.status("a").state.value == "staged"


def test_a_network_that_is_neither_true_nor_false_is_named(small_forge: SmallForge) -> None:
    small_forge.package("a", more="extra: {wvforge: {network: sometimes}}\n")
    assert "extra.wvforge: {'network': 'sometimes'} is wrong" in str(why_not_made(small_forge, "a"))


def test_limits_are_of_all_of_a_class_and_of_some(small_forge: SmallForge) -> None:
    limits = {"hours": 2, "cores": 1, "packages": {"b*": {"disk_gib": 1}}}
    classes = {"heavy": {"hours": 9, "packages": ["bb"]}}
    small_forge.configure(channels=[], variants=[], classes=classes, limits=limits)
    for name in ("a", "b", "bb"):
        small_forge.package(name)
    forge = small_forge.open()
    assert [forge.build_limits(name).seconds for name in ("a", "bb")] == [7200, 32400]
    assert [forge.build_limits(name).disk >> 30 for name in ("a", "b")] == [0, 1]
    assert [forge.test_limits(name).cores for name in ("a", "b", "bb")] == [1, 1, cores_of_machine()]
    small_forge.configure(**json.loads('{"channels": [], "variants": []}'))
    assert small_forge.open().build_limits("a").cores == cores_of_machine()


def test_a_script_is_told_its_cores_and_ended_at_its_disk_limit(small_forge: SmallForge) -> None:
    small_forge.configure(channels=[], variants=[], limits={"cores": 1, "disk_gib": 0.05})
    small_forge.package("a", "echo cores: $CPU_COUNT; head -c 200M /dev/zero > big; sleep 60")
    failed = why_not_made(small_forge, "a")
    assert failed.failure.failure_class is FailureClass.DISK
    assert str(failed) == "the build took more than its limit of 0.05 GiB of disk (limits in forge.yaml)"
    log = small_forge.root / "output" / failed.failure.log
    assert "cores: 1" in log.read_text()
