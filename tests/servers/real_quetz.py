"""A real quetz server, in an environment of its own, on an address of this machine."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType

import requests

REQUIREMENTS = Path(__file__).with_name("quetz-requirements.txt")
_READY = "ready"


class QuetzIsMissing(Exception):
    """It cannot be installed or does not start here. Carries why, in a line."""


def install_quetz(folder: Path) -> Path:
    """Install it below `folder`, unless it is there, and return its program.

    Raises:
        QuetzIsMissing: if the registry cannot be reached, or has none for this Python.
    """
    program = folder / "bin" / "quetz"
    if not (folder / _READY).exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent, 60)
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
        # All versions are named, so nothing has to be resolved.
        options = ["--no-deps", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
        _run([*pip, *options, "-r", str(REQUIREMENTS)], folder.parent, 300)
        (folder / _READY).touch()
    return program


class RealQuetz:
    """Use as a context manager. `url` is its address, `key` one of a user who owns its only channel, `forge`."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.key = ""

    def __enter__(self) -> RealQuetz:
        home = self._folder / "quetz"
        _run([str(self._program), "create", str(home), "--create-conf", "--dev", "--delete"], self._folder, 120)
        with (self._folder / "quetz.log").open("wb") as log:
            command = [str(self._program), "start", str(home), "--port", str(self._port), "--no-supervisor"]
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        try:
            self._wait()
            with requests.Session() as session:
                session.get(f"{self.url}/api/dummylogin/alice", timeout=30)
                with closing(sqlite3.connect(home / "quetz.sqlite")) as users:
                    users.execute("UPDATE users SET role = 'owner' WHERE username = 'alice'")
                    users.commit()
                session.post(f"{self.url}/api/channels", json={"name": "forge", "private": False}, timeout=30)
                wanted = {"description": "tests", "roles": []}
                self.key = session.post(f"{self.url}/api/api-keys", json=wanted, timeout=30).json()["key"]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 90
        while True:
            try:
                requests.get(f"{self.url}/api/me", timeout=5)
                return
            except requests.RequestException:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "quetz.log").read_text(errors="replace").strip().splitlines()
                    raise QuetzIsMissing(f"quetz does not start: {said[-1:]}") from None
                time.sleep(0.2)


def _run(command: list[str], folder: Path, seconds: float) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise QuetzIsMissing(f"{Path(command[0]).name} took longer than {seconds:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise QuetzIsMissing(f"{' '.join(command[:4])}: {(said or ['it said nothing'])[-1][:300]}")
