"""``wvforge dev`` and ``wvforge env``: Dagster's own programs over a forge."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.settings import FORGE_VARIABLE, JOBS_VARIABLE, read_settings

if TYPE_CHECKING:
    from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk


def dev(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to serve on.")] = 3000,
) -> None:
    """Serve Dagster's UI and run its daemon, over this forge's storage."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.instance import prepare_home
    from wvforge_dagster.orchestration.recording import mend_runs

    forge = open_forge(read_settings(context.obj))
    _check_port(host, port)
    home = prepare_home(forge)
    mend_runs(forge)
    environment = {**os.environ, **_dagster_environment(forge, home)}
    environment.pop("DAGSTER_MODULE_NAME", None)
    # Dagster's pools have two places, unless they are told otherwise.
    environment.setdefault(JOBS_VARIABLE, "2")
    # Dagster says of its own command that another one supersedes it; users did not choose it.
    environment.setdefault("PYTHONWARNINGS", "ignore")
    program = Path(sys.executable).with_name("dagster")
    command = [str(program), "dev", "-h", host, "-p", str(port), "-w", str(home / "workspace.yaml")]
    # A dagster.yaml in the working directory would be warned of.
    os.chdir(home)
    os.execve(program, command, environment)


def _check_port(host: str, port: int) -> None:
    """Refuse a port that cannot be served on: Dagster would go on without a UI."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ForgeError(
            f"cannot be served on: {error.strerror or error}",
            where=f"{host}:{port}",
            remedy="choose another with --port",
        ) from None
    except OverflowError:
        raise ForgeError("there is no such port", where=f"{host}:{port}", remedy="choose one up to 65535") from None


def env(context: typer.Context) -> None:
    """Print the variables with which Dagster's own commands find this forge: eval "$(wvforge env)"."""
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.instance import prepare_home

    forge = open_forge(read_settings(context.obj))
    values = _dagster_environment(forge, prepare_home(forge))
    for name, value in {**values, "DAGSTER_MODULE_NAME": "wvforge_dagster.definitions"}.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def _dagster_environment(forge: ForgeOnDisk, home: Path) -> dict[str, str]:
    return {"DAGSTER_HOME": str(home), FORGE_VARIABLE: str(forge.root)}
