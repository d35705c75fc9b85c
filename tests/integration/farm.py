"""A farm on one machine: a real Postgres and Redis, and machines in network namespaces, each with a clone of a forge.

Only the network, and what the forge names as its staging channel, is between them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from integration.commands import PROJECT, environment, program
from integration.waiting import wait_until

EXAMPLE = PROJECT / "deploy" / "few-machines"
LOST_AFTER = "4"
_PASSWORD = "not-a-secret"


def missing() -> str | None:
    """What is not there to make a farm of; None if all is."""
    if shutil.which("redis-server") is None:
        return "needs redis-server"
    if _postgres_programs() is None:
        return "needs Postgres (initdb, postgres)"
    if os.geteuid() == 0 and _postgres_user() is None:
        return "Postgres refuses to run as root, and there is no user postgres"
    return None


def _postgres_programs() -> Path | None:
    found = [Path(path).resolve().parent for path in (shutil.which("initdb"),) if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


def _postgres_user() -> str | None:
    import pwd

    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        return int(free.getsockname()[1])


class Postgres:
    """A server of its own in `folder`, on `port`, with the database ``dagster``."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._folder = folder
        self._data = folder / "data"
        programs = _postgres_programs()
        assert programs is not None
        self._programs = programs
        self._user = _postgres_user() if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        password = folder / "password"
        password.write_text(_PASSWORD)
        self._do("initdb", "-D", str(self._data), "-U", "wvforge", "-A", "scram-sha-256", f"--pwfile={password}")
        with (self._data / "pg_hba.conf").open("a") as stream:
            stream.write("host all all 0.0.0.0/0 scram-sha-256\n")

    def create(self) -> None:
        """The empty database; the server runs."""
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wvforge", "dagster")

    def start(self) -> None:
        options = f"-p {self.port} -k {self._folder} -h '*' -F"
        self._do("pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-D", str(self._data), "-m", "fast", "-w", "stop")

    def _do(self, name: str, *words: str) -> None:
        subprocess.run(
            [str(self._programs / name), *words],
            user=self._user,
            cwd=self._folder,
            env=os.environ | {"PGPASSWORD": _PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """A server of its own; yields its port."""
    port = _free_port()
    words = ["--port", str(port), "--bind", "0.0.0.0", "--requirepass", _PASSWORD, "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
    try:
        wait_until("Redis listens", lambda: _listens(port), seconds=30)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def bridge(names: list[str]) -> Iterator[tuple[str, dict[str, str]] | None]:
    """Network namespaces of these names on one bridge; yields the address of this side, and the namespace of each name. None
    where there are no rights to make them."""
    tag = f"wv{os.getpid() % 10000}"
    subnet = f"10.231.{os.getpid() % 250}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    with ExitStack() as stack:
        try:
            ip("link", "add", tag, "type", "bridge")
            stack.callback(subprocess.run, ["ip", "link", "del", tag], check=False)
            ip("addr", "add", f"{subnet}.1/24", "dev", tag)
            ip("link", "set", tag, "up")
            found = {}
            for number, name in enumerate(names, start=2):
                space, outer, inner = f"{tag}{name}", f"{tag}{name}o", f"{tag}{name}i"
                ip("netns", "add", space)
                stack.callback(subprocess.run, ["ip", "netns", "del", space], check=False)
                ip("link", "add", outer, "type", "veth", "peer", "name", inner)
                ip("link", "set", inner, "netns", space)
                ip("link", "set", outer, "master", tag, "up")
                for words in (["addr", "add", f"{subnet}.{number}/24", "dev", inner], ["link", "set", inner, "up"]):
                    ip("-n", space, *words)
                ip("-n", space, "link", "set", "lo", "up")
                found[name] = space
        except (OSError, subprocess.CalledProcessError):
            stack.close()
            yield None
            return
        yield f"{subnet}.1", found


@dataclass
class Machine:
    """One machine of a farm."""

    name: str
    folder: Path
    environment: dict[str, str]
    namespace: str | None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def forge(self) -> Path:
        return self.folder / "forge"

    def command(self, *words: str) -> list[str]:
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return [*inside, program(words[0]), *words[1:]]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a program of Dagster's or Celery's here; what it says goes to ``log`` in the folder."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(*words),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def start_worker(self, queues: str) -> None:
        """As deploy/few-machines starts it."""
        app = "wvforge_dagster.orchestration.celery_worker"
        before = self.log().count(" ready.")
        self.start("celery", "-A", app, "worker", "-Q", queues, "-n", f"{self.name}@%h", "-l", "INFO")
        wait_until(f"{self.name} is ready", lambda: self.log().count(" ready.") > before, seconds=90)

    def kill(self) -> None:
        """``kill -9`` of its process, and of nothing else."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def built(self) -> list[str]:
        """The packages of which a build was begun here, once for each."""
        logs = self.forge / "output" / "logs"
        return sorted(path.relative_to(logs).parts[0] for path in logs.glob("**/*.log"))

    def materialize(self, *names: str) -> subprocess.Popen[bytes]:
        """Begin one run of these assets; its coordinator is the process that is returned."""
        log = (self.folder / f"run-{time.monotonic_ns()}").open("wb")
        words = ["-m", "wvforge_dagster.definitions", "--select", ",".join(names)]
        with log:
            process = subprocess.Popen(
                self.command("dagster", "asset", "materialize", *words),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        process.log_file = log.name  # type: ignore[attr-defined]
        return process


@dataclass
class Farm:
    """Its machines: `head` has the daemon and the coordinators, `workers` build."""

    postgres: Postgres
    head: Machine
    workers: list[Machine]
    are_apart: bool

    def built(self) -> list[str]:
        """The packages that were built, once for each build."""
        return sorted(name for machine in [self.head, *self.workers] for name in machine.built())


@contextmanager
def farm(origin: Path) -> Iterator[Farm]:
    """A farm over clones of a forge, without a process on its machines yet.

    Args:
        origin: a git repository.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wvforge-farm-")))
        root.chmod(0o755)
        for name in ("postgres", "redis"):
            (root / name).mkdir()
        postgres = Postgres(root / "postgres")
        postgres.start()
        stack.callback(postgres.stop)
        postgres.create()
        port = stack.enter_context(redis(root / "redis"))
        spaces = stack.enter_context(bridge(["b", "c"])) if os.geteuid() == 0 else None
        address, inside = spaces or ("127.0.0.1", {})
        settings = (EXAMPLE / "dagster.yaml").read_text().replace("port: 5432", f"port: {postgres.port}")
        machines = []
        for name in ("a", "b", "c"):
            folder = root / name
            (folder / "home").mkdir(parents=True)
            (folder / "home" / "dagster.yaml").write_text(settings)
            subprocess.run(["git", "clone", "-q", str(origin), str(folder / "forge")], check=True)
            own = environment(
                WVFORGE_DEPLOYMENT="celery",
                WVFORGE_FORGE=str(folder / "forge"),
                WVFORGE_BROKER=f"redis://:{_PASSWORD}@{address}:{port}/0",
                WVFORGE_POSTGRES_HOST=address,
                WVFORGE_POSTGRES_USER="wvforge",
                WVFORGE_POSTGRES_PASSWORD=_PASSWORD,
                WVFORGE_POSTGRES_DATABASE="dagster",
                WVFORGE_LOST_AFTER=LOST_AFTER,
                DAGSTER_HOME=str(folder / "home"),
                PYTHONWARNINGS="ignore",
            )
            # Where a build sees the address of this machine, its own and the other's are another.
            machines.append(Machine(name, folder, own, inside.get(name)))
        stack.callback(_end_all, machines)
        subprocess.run(
            [program("wvforge"), "env"], env=machines[0].environment, check=True, stdout=subprocess.DEVNULL, timeout=120
        )
        yield Farm(postgres, machines[0], machines[1:], bool(inside))


def _end_all(machines: list[Machine]) -> None:
    for machine in machines:
        if machine.process is not None and machine.process.poll() is None:
            machine.kill()
