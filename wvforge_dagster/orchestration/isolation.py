"""What a forge's builds are kept from, and what they share: the sandbox and the compiler cache, as forge.yaml and the machine
have them."""

from __future__ import annotations

from pathlib import Path

from wvforge_dagster.build.compiler_cache import CompilerCache, find_compiler_cache
from wvforge_dagster.build.machine import NO_SANDBOX
from wvforge_dagster.build.sandbox import NAME, Sandbox, find_sandbox
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.forge import CONFIG_NAME
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.settings import dagster_home, private_places, user_home


def sandbox_of(forge: ForgeOnDisk) -> Sandbox | None:
    """The sandbox of the forge's builds and tests; None where they run without one.

    Raises:
        ForgeError: if forge.yaml requires one and there is none.
    """
    fault = _fault(forge)
    if fault is not None and forge.forge.isolation == "required":
        raise fault
    if fault is not None or forge.forge.isolation == "off":
        return None
    readable = (*(forge.root / Path(name).expanduser() for name in forge.forge.readable), forge.staging.path)
    shared = forge.shared_staging
    shared_folder = (shared.path,) if isinstance(shared, FolderChannel) else ()
    hidden = (forge.output, *shared_folder, dagster_home(forge.output), *private_places())
    # Dagster's storage may be the very folder of the forge.
    closed = tuple(place for place in hidden if place.resolve() not in (forge.root, *forge.root.parents))
    return Sandbox(find_sandbox(), readable, hidden=hidden, closed=closed, home=user_home())


def compiler_cache_of(forge: ForgeOnDisk) -> CompilerCache | None:
    """The compiler cache of the forge's builds; None if forge.yaml asks for none.

    Raises:
        ForgeError: if it asks for one and there is no program for it.
    """
    settings = forge.forge.compiler_cache
    if settings is None:
        return None
    try:
        program = find_compiler_cache()
    except OSError as error:
        where, remedy = f"{forge.root / CONFIG_NAME}: compiler-cache", "install the package sccache, or remove the key"
        raise ForgeError(str(error), where=where, remedy=remedy) from None
    folder = Path(settings.folder).expanduser() if settings.folder else forge.output / "cache" / "compilers"
    return CompilerCache(program, forge.root / folder, int(settings.size_gib * 2**30))


def isolation_warning(forge: ForgeOnDisk) -> ForgeError | None:
    """What to say of builds that ought to run in a sandbox and do not.

    Raises:
        ForgeError: that very thing, if forge.yaml requires one.
    """
    sandbox_of(forge)
    return _fault(forge)


def isolation_name(forge: ForgeOnDisk) -> str:
    """The recorded part of that name."""
    return NO_SANDBOX if forge.forge.isolation == "off" or _fault(forge) is not None else NAME


def _fault(forge: ForgeOnDisk) -> ForgeError | None:
    if forge.forge.isolation == "off":
        return None
    try:
        find_sandbox()
    except OSError as error:
        words, remedy = f"builds are not isolated from your files: {error}", f"install {NAME}"
        if forge.forge.isolation == "required":
            words = f"builds cannot be isolated: {error}"
        else:
            remedy += ", or set isolation: off"
        return ForgeError(words, where=f"{forge.root / CONFIG_NAME}: isolation", remedy=remedy)
    return None
