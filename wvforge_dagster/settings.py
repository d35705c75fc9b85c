"""What the environment says: where the forge and the storage of Dagster are, which secrets there are, what builds may see."""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME
from wvforge_dagster.core.recipients import VARIABLE_PREFIX

FORGE_VARIABLE = "WVFORGE_FORGE"

JOBS_VARIABLE = "WVFORGE_JOBS"

DEPLOYMENT_VARIABLE = "WVFORGE_DEPLOYMENT"

BROKER_VARIABLE = "WVFORGE_BROKER"
"""The address of the Redis, with its password, that steps go through to the workers of a farm."""

POSTGRES_PASSWORD_VARIABLE = "WVFORGE_POSTGRES_PASSWORD"
"""Of Dagster's storage on a farm; dagster.yaml reads it."""

LOST_AFTER_VARIABLE = "WVFORGE_LOST_AFTER"

_CORES_VARIABLE = "WVFORGE_CORES"

PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    # What a solver takes the machine's driver for; a builder without a GPU sets it.
    "CONDA_OVERRIDE_CUDA",
)
"""What a build may see of the user's environment: enough to find programs and to fetch sources.

No key of a channel is among it; the address of a proxy may hold a password, and builds see it."""


_PLATFORM_OF_MACHINE = {
    ("Linux", "x86_64"): "linux-64",
    ("Darwin", "x86_64"): "osx-64",
    ("Darwin", "arm64"): "osx-arm64",
}


@cache
def platform_of_machine() -> str:
    """The platform of the packages that run on this machine, by the name that channels have for it."""
    system, machine = platform.system(), platform.machine()
    return _PLATFORM_OF_MACHINE.get((system, machine), f"{system.lower()}-{machine}")


@dataclass(frozen=True)
class Settings:
    """What the environment and the command line say.

    Attributes:
        forge: the folder of the forge.
        environ: the whole environment, for the one module that reads credentials from it.
    """

    forge: Path
    environ: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Settings(forge={str(self.forge)!r})"


def read_settings(forge: Path | None = None) -> Settings:
    """Find the forge: `forge`, else WVFORGE_FORGE, else the nearest folder upwards with a forge.yaml.

    Raises:
        ForgeError: if a forge is named that is no folder, or none is found.
    """
    named = forge or (Path(os.environ[FORGE_VARIABLE]) if os.environ.get(FORGE_VARIABLE) else None)
    if named is not None:
        root = named.expanduser().resolve()
        if root.is_file():
            root = root.parent
        if not root.is_dir():
            raise ForgeError(
                "no such folder", where=str(named), remedy=f"give the forge's folder with --forge or {FORGE_VARIABLE}"
            )
    else:
        here = Path.cwd().resolve()
        found = next((folder for folder in (here, *here.parents) if (folder / CONFIG_NAME).is_file()), None)
        if found is None:
            raise ForgeError(
                f"there is no {CONFIG_NAME} here or above",
                where=str(here),
                remedy=f"go to a forge, or name its folder with --forge or {FORGE_VARIABLE}",
            )
        root = found
    return Settings(forge=root, environ=dict(os.environ))


def dagster_home(forge_output: Path) -> Path:
    """Where Dagster's storage is: DAGSTER_HOME, or ``dagster`` in the forge's output folder."""
    named = os.environ.get("DAGSTER_HOME")
    return Path(named).expanduser().resolve() if named else forge_output / "dagster"


SECRETS = (
    "PREFIX_API_KEY",
    "QUETZ_API_KEY",
    "ANACONDA_API_KEY",
    "ARTIFACTORY_TOKEN",
    "CLOUDSMITH_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "RATTLER_AUTH_FILE",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    BROKER_VARIABLE,
    POSTGRES_PASSWORD_VARIABLE,
)
"""Variables of channels and of a farm that builds must not see; nor must they see addresses of `notify` (`VARIABLE_PREFIX`)."""


def secrets_here() -> dict[str, str]:
    """The secrets of channels in this process's environment: what uploads need."""
    return {name: os.environ[name] for name in SECRETS if name in os.environ}


def take_secrets() -> dict[str, str]:
    """All secrets of this process's environment, taken out of it: what it starts from now on does not inherit them."""
    addresses = [name for name in os.environ if name.startswith(VARIABLE_PREFIX)]
    return {name: os.environ.pop(name) for name in (*secrets_here(), *addresses)}


def give_secrets(secrets: Mapping[str, str]) -> None:
    """Put what `take_secrets` took into this process's environment, where the kernel does not show it to others."""
    os.environ.update(secrets)


def deployment_named() -> str | None:
    """What WVFORGE_DEPLOYMENT says; None if it says nothing."""
    return os.environ.get(DEPLOYMENT_VARIABLE) or None


def broker() -> str:
    """What WVFORGE_BROKER says.

    Raises:
        ForgeError: if it says nothing.
    """
    named = os.environ.get(BROKER_VARIABLE)
    if not named:
        raise ForgeError(
            "is not set", where=BROKER_VARIABLE, remedy="give it Redis' address, redis://:PASSWORD@HOST:6379/0"
        )
    return named


def lost_after_seconds() -> int:
    """After how many seconds without an answer a worker of a farm counts as lost: WVFORGE_LOST_AFTER, else 30.

    Raises:
        ForgeError: if it says anything else than a number of seconds.
    """
    named = os.environ.get(LOST_AFTER_VARIABLE)
    if not named:
        return 30
    seconds = _count(LOST_AFTER_VARIABLE)
    if not seconds:
        raise ForgeError(
            f"{named!r} is no number of seconds", where=LOST_AFTER_VARIABLE, remedy="give it a whole one, such as 30"
        )
    return seconds


def child_environment(home: Path, temporary: Path) -> dict[str, str]:
    """The environment of a build, a test or a rendering."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def programs_of_builds() -> tuple[Path, ...]:
    """The folders that builds find programs in."""
    return tuple(Path(entry) for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry)


def certificates_of_builds() -> tuple[Path, ...]:
    """Files and folders of certificates that builds are told of."""
    return tuple(
        Path(os.environ[name]) for name in PASSED_ON if "SSL" in name or "BUNDLE" in name if os.environ.get(name)
    )


def certificates_to_trust() -> str | bool:
    """What requests is to verify servers with: what REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names, else the system's certificates
    or those of SSL_CERT_FILE and SSL_CERT_DIR, as git, curl and pip do; its own list only where the system has none."""
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True
    paths = ssl.get_default_verify_paths()
    folder = paths.capath if paths.capath and any(Path(paths.capath).iterdir()) else None
    return paths.cafile or folder or True


def jobs_side_by_side() -> int:
    """How many builds share the machine's cores: WVFORGE_JOBS, else one."""
    return _count(JOBS_VARIABLE) or 1


def cores_of_share() -> int:
    """How many cores the next build of this process gets, if somebody plans that; else 0."""
    return _count(_CORES_VARIABLE)


def set_cores_of_share(cores: int) -> None:
    """Say it to this process."""
    os.environ[_CORES_VARIABLE] = str(cores)


def _count(variable: str) -> int:
    named = os.environ.get(variable, "")
    return int(named) if named.isdecimal() else 0


PRIVATE = (
    "RATTLER_AUTH_FILE",
    "NETRC",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "DOCKER_CONFIG",
    "KUBECONFIG",
    "GNUPGHOME",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DAGSTER_HOME",
)
"""Variables that name files and folders which are nobody else's business."""


PRIVATE_AT_HOME = (
    ".netrc",
    ".aws",
    ".azure",
    ".config",
    ".docker",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".pypirc",
    ".rattler",
    ".ssh",
)
"""Where such files are in a home, unless a variable says otherwise."""


def private_places() -> tuple[Path, ...]:
    """Where secrets are, by what the environment says and by custom."""
    home = user_home()
    named = tuple(Path(os.environ[name]).expanduser() for name in PRIVATE if os.environ.get(name))
    return named + tuple(home / name for name in PRIVATE_AT_HOME if home is not None)


def user_home() -> Path | None:
    """The user's home folder, if there is one."""
    try:
        home = Path("~").expanduser()
    except RuntimeError:
        return None
    return home if home.is_dir() and home != Path("/") else None
