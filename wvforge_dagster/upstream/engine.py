"""Make packages with rattler-build and index them with py-rattler, each in a child process.

The engine holds the interpreter's lock while it works, and threads of both libraries can crash an interpreter
that ends soon after (``PyGILState_Release`` while finalizing). ``pack``, ``repackage`` and ``index`` are for
callers; ``python -m wvforge_dagster.upstream.engine JOB`` is the child.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.upstream.interpreter_tree import PREFIX_MARK
from wvforge_dagster.upstream.interpreters import Interpreter

COMPRESSION_LEVEL = 3
"""Of zstd. The engine's own default takes ten times as long for a package that stays on this machine."""

_DEADLINE_S = 1200


@dataclass(frozen=True)
class PackageHead:
    """What a package says of itself.

    Args:
        name: its name.
        version: its version.
        build: its build string.
        subdir: its platform, or ``noarch``.
        depends: requirements at run time.
        constrains: versions of other packages that it goes with.
        license: SPDX expression.
        summary: one line.
    """

    name: str
    version: str
    build: str
    subdir: str
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    license: str | None = None
    summary: str | None = None


def pack(head: PackageHead, tree: Path, licenses: Path, out: Path) -> Path:
    """Make a package of a laid out prefix as it is: nothing in its files is changed or relocated.

    Args:
        head: the package's metadata.
        tree: the prefix.
        licenses: folder with licence files.
        out: an existing folder for the package.

    Returns:
        The package file in ``out``.

    Raises:
        ForgeError: the engine refused.
    """
    files = sorted(str(file) for file in licenses.iterdir()) if licenses.is_dir() else []
    job = {"kind": "pack", "head": asdict(head), "tree": str(tree), "licenses": files, "out": str(out)}
    return _run(head.name, job, out)


def repackage(python: Interpreter, tree: Path, out: Path) -> Path:
    """Make the package ``python`` of a laid out interpreter, relocated, with conda-forge's metadata.

    Raises:
        ForgeError: the engine refused.
    """
    abi = f"python_abi {python.minor}.* *_cp{python.minor.replace('.', '')}"
    copy = (
        f'cp -a {shlex.quote(str(tree))}/. "$PREFIX"/\n'
        f'grep -rlIZ {PREFIX_MARK} "$PREFIX" | xargs -0 -r sed -i "s|{PREFIX_MARK}|$PREFIX|g"\n'
    )
    recipe = {
        "package": {"name": "python", "version": python.version},
        "build": {
            "number": 0,
            "string": "0_cpython",
            "script": {"content": copy},
            "python": {
                "site_packages_path": f"lib/python{python.minor}/site-packages",
                "skip_pyc_compilation": ["**/*.py"],
            },
            # Only where it is needed: extension modules keep their way to the machine's own libraries, and
            # where there is no path to change, the engine asks for a program that is rarely there (patchelf).
            "dynamic_linking": {"binary_relocation": ["bin/*"] if python.fixed_to_library else False},
        },
        "requirements": {"run_constraints": [abi], "run_exports": {"noarch": ["python"], "weak": [abi]}},
        "about": {"license": "Python-2.0", "summary": f"Python {python.version} of this machine"},
    }
    return _run("python", {"kind": "build", "recipe": recipe, "out": str(out)}, out)


def index(channel: Path, work: Path) -> None:
    """Write the index of a channel folder anew.

    Args:
        channel: the folder.
        work: an existing folder for the job's file.

    Raises:
        ForgeError: py-rattler refused.
    """
    _run(channel.name, {"kind": "index", "channel": str(channel)}, work / "index")


def _run(name: str, job: dict[str, Any], out: Path) -> Path:
    file = out.with_name(f"{out.name}.job.json")
    file.write_text(json.dumps(job), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ForgeError(f"making it took longer than {_DEADLINE_S} s", where=name) from error
    said = done.stdout.strip().splitlines()
    made = Path(said[-1]) if done.returncode == 0 and said else None
    if made is None or not made.is_file():
        last = " / ".join(done.stderr.strip().splitlines()[-3:]) or f"exit status {done.returncode}"
        raise ForgeError(f"it could not be made ({last[:400]})", where=name)
    return made


def _pack(job: dict[str, Any]) -> Path:
    import rattler_build

    head = PackageHead(**job["head"])
    made = rattler_build.assemble_package(
        head.name,
        head.version,
        head.subdir,
        head.build,
        job["out"],
        files_dir=job["tree"],
        license=head.license,
        summary=head.summary,
        depends=head.depends,
        constrains=head.constrains,
        noarch="generic" if head.subdir == "noarch" else None,
        license_files=job["licenses"],
        compression_level=COMPRESSION_LEVEL,
        compression_threads=1,
        detect_prefix=False,
    )
    return made.path


def _build(job: dict[str, Any]) -> Path:
    import rattler_build

    out = Path(job["out"])
    recipe = out / "recipe" / "recipe.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(json.dumps(job["recipe"]), encoding="utf-8")
    variant = rattler_build.Stage0Recipe.from_file(recipe).render()[0]
    result = variant.run_build(
        tool_config=rattler_build.ToolConfiguration(compression_threads=1, test_strategy="skip"),
        output_dir=out / "build",
        channels=[],
        package_format=f"conda:{COMPRESSION_LEVEL}",
        no_include_recipe=True,
    )
    return Path(result.packages[0])


def _index(job: dict[str, Any]) -> Path:
    import asyncio

    from rattler.index import index_fs

    channel = Path(job["channel"])
    (channel / "noarch").mkdir(exist_ok=True)
    # Forced, because a package that was made anew keeps its name, and the index would keep its old digest.
    asyncio.run(index_fs(channel, force=True))
    return channel / "noarch" / "repodata.json"


def _main(file: Path) -> None:
    job = json.loads(file.read_text(encoding="utf-8"))
    print({"pack": _pack, "build": _build, "index": _index}[job["kind"]](job), flush=True)
    # Without the interpreter's end, in which threads of the libraries would crash it.
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
