"""What keeps a build from the rest of the machine: bubblewrap, a program that starts another one in namespaces of its own.

The child sees a file system that holds what is named here and nothing else. So a credential is hidden wherever it lies, and
not because somebody thought of its place.
"""

from __future__ import annotations

import os
import shutil
import site
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wvforge_dagster.settings import certificates_of_builds, programs_of_builds

NAME = "bubblewrap"
PROGRAM = "bwrap"

SYSTEM = ("/usr", "/etc", "/opt", "/nix", "/sys")
_LINKED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Links into /usr on a merged system, folders on another."""
_DEVICES = ("nvidia*", "dri", "kfd", "dxg")
_PRIVATE_TMP = "machine-tmp"
_USER = 1000
"""Who root is in the sandbox: a program that believes to be root tries to change owners, and is not allowed to."""
_PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class Sandbox:
    """A sandbox for children.

    Attributes:
        program: path of bwrap.
        readable: files and folders that the child may read, beside the system's and the interpreter's.
        writable: folders that it may write to, beside its own.
        hidden: files and folders that it must not see, though something above them is readable. What is readable or writable
            below them stays so.
        closed: those of the hidden ones that a recipe must not open by naming them, or what is in them, as its source.
        home: the user's, which is an empty folder.
    """

    program: str
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    home: Path | None = None

    def keeps(self, path: Path) -> bool:
        """Whether a file or folder is one of those that no recipe may open, or lies in one; or has the whole home in it."""
        place = _real(path)
        above_home = self.home is not None and _above(_real(self.home) / "x", [place])
        return above_home or _above(place / "x", map(_real, self.closed))

    def command(self, folder: Path) -> list[str]:
        """What is put before a command that runs in `folder`, the child's own, in which nothing ran before.

        Raises:
            OSError: if something did.
        """
        private = folder / _PRIVATE_TMP
        # Refused, if it is there: a script that ran here may have put a link in its place.
        private.mkdir()
        readable = [*map(Path, SYSTEM), *_of_interpreter(), *_of_programs(self.home), *self.readable]
        mounts = {place: ["--ro-bind-try", str(_real(path))] for path in readable for place in _places(path)}
        for path in (*self.writable, folder):
            mounts |= {place: ["--bind", str(_real(path))] for place in _places(path)}
        mounts.pop(Path("/"), None)
        # A link in a folder that is mounted leads where it leads outside.
        shown = {place for place in mounts if place == _real(place)}
        linked = shown | {Path(name) for name in _LINKED}
        mounts = {place: words for place, words in mounts.items() if place in shown or not _above(place / "x", linked)}
        mounts |= {Path(place): ["--bind", str(private)] for place in ("/tmp", "/var/tmp")}
        mounts[Path("/run")] = ["--tmpfs"]
        homes = {_real(self.home)} if self.home is not None else set()
        for place in homes | {_real(path) for path in (*self.hidden, *_secrets_of(Path("/etc")))}:
            is_needed = place in homes or _above(place, mounts)
            if (
                place not in mounts
                and is_needed
                and _is_there(place)
                and not any(_above(Path(p), [place]) for p in SYSTEM)
            ):
                mounts[place] = ["--tmpfs"] if stat.S_ISDIR(place.stat().st_mode) else ["--ro-bind", "/dev/null"]
        # What lies deeper is mounted later, and so seen.
        ordered = sorted(mounts, key=lambda place: (len(place.parts), str(place)))
        words = [
            word for place in ordered if not _is_shown_already(place, mounts) for word in (*mounts[place], str(place))
        ]
        return [*_namespaces(self.program), *words, "--remount-ro", "/", "--chdir", str(folder), "--"]


def find_sandbox() -> str:
    """Path of a bwrap that works here.

    Raises:
        OSError: with the reason, if there is none.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise OSError(f"there is no {PROGRAM} on this machine")
    fault = _probe(program)
    if fault is not None:
        raise OSError(fault)
    return program


@cache
def _probe(program: str) -> str | None:
    """Why bwrap does not work here; None if it does."""
    command = [*_namespaces(program), "--ro-bind", "/", "/", "--", sys.executable, "-S", "-c", ""]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
            env={"PATH": os.defpath},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} does not start: {error}"
    if done.returncode:
        words = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        return f"{program} does not work here: {words[:200]}"
    return None


def _namespaces(program: str) -> list[str]:
    """The part of the command that does not depend on the child: its namespaces, and the kernel's own file systems."""
    user, group = os.getuid() or _USER, os.getgid() or _USER
    words = [program, "--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc"]
    words += ["--uid", str(user), "--gid", str(group), "--proc", "/proc", "--dev", "/dev"]
    if not Path(program).stat().st_mode & stat.S_ISUID:
        # For the supervisor, which takes it from its command. With rights of its own, bwrap gives none.
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_PTRACE"]
    for pattern in _DEVICES:
        for device in sorted(Path("/dev").glob(pattern)):
            words += ["--dev-bind-try", str(device), str(device)]
    for name in _LINKED:
        if Path(name).is_symlink():
            words += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            words += ["--ro-bind", name, name]
    return words


def _of_interpreter() -> Iterator[Path]:
    """What this interpreter and the modules that it finds need: the children run in it."""
    yield from (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1])
    for entry in (*site.getsitepackages(), site.getusersitepackages(), *sys.path):
        if Path(entry).name in ("site-packages", "dist-packages"):
            yield Path(entry)
    program = Path(sys.executable)
    while program.is_symlink():
        yield program
        program = program.parent / program.readlink()
    yield program


def _of_programs(home: Path | None) -> Iterator[Path]:
    """What lies on PATH outside the user's home, with what belongs to it; certificates; and who answers for names."""
    for entry in programs_of_builds():
        if (
            entry.is_absolute()
            and _is_there(entry)
            and (home is None or not _above(entry / "bin", [home, _real(home)]))
        ):
            environment = any(_is_there(entry.parent / mark) for mark in ("conda-meta", "pyvenv.cfg"))
            place = entry.parent if environment else entry
            if home is None or not _above(home / "x", [place]):
                yield place
    yield from certificates_of_builds()
    yield _real(Path("/etc/resolv.conf"))


def _places(path: Path) -> set[Path]:
    """Where a path is mounted: where it really lies, and where it is looked for, if that is elsewhere."""
    return {_real(path), Path(os.path.abspath(path))}  # noqa: PTH100 (links stay)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_there(path: Path) -> bool:
    """Whether this user can get at a file or folder."""
    return os.access(path, os.R_OK)


def _is_shown_already(place: Path, mounts: Mapping[Path, list[str]]) -> bool:
    """Whether what is mounted there is there anyhow, by what is mounted above it."""
    above = next((folder for folder in place.parents if folder in mounts), None)
    shown = ["--ro-bind-try", str(place)]
    return above is not None and mounts[place] == shown and mounts[above] == ["--ro-bind-try", str(above)]


def _above(path: Path, folders: Iterable[Path]) -> bool:
    """Whether one of the folders contains the path."""
    return not set(path.parents).isdisjoint(folders)


@cache
def _secrets_of(folder: Path) -> tuple[Path, ...]:
    """Files and folders below a folder that this user can read and others cannot: keys and passwords of the machine."""
    found = []
    for current, names, files in os.walk(folder):
        for name in list(names):
            path = Path(current, name)
            if not path.is_symlink() and not _is_for_all(path, stat.S_IXOTH):
                names.remove(name)
                found.append(path)
        found += [path for path in (Path(current, name) for name in files) if not _is_for_all(path, stat.S_IROTH)]
    return tuple(path for path in found if not path.is_symlink() and os.access(path, os.R_OK))


def _is_for_all(path: Path, right: int) -> bool:
    try:
        return bool(path.lstat().st_mode & right)
    except OSError:
        return True


def folders_of(addresses: Iterable[str]) -> tuple[Path, ...]:
    """The folders among addresses of channels."""
    return tuple(Path(unquote(urlsplit(url).path)) for url in addresses if url.startswith("file:"))
