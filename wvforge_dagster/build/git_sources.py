"""Which commit a git source is now: asked of its server, without fetching it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.inputs import git_source_key

SECONDS = 60.0
NO_ADDRESS = re.compile(r"-|[A-Za-z0-9][A-Za-z0-9+.-]*::")
"""What begins like an option, or with the name of a program of git's (gitremote-helpers), such as ``ext::``."""


def resolve_commit(source: Mapping[str, Any], recipe_folder: Path, environment: Mapping[str, str]) -> str:
    """The commit that a rendered ``git`` source means now.

    Args:
        recipe_folder: what a relative address is relative to.
        environment: of the git process, which asks for no password.

    Raises:
        ForgeError: if the address is one that git is not given, the server cannot be asked, or has no such revision.
    """
    url, revision = str(source["git"]), str(source.get("rev") or "HEAD")
    if NO_ADDRESS.match(url):
        # Git would take it for an option, or start a program with it; neither passes by itself.
        words = f"{url[:80]!r} is not the address of a repository"
        raise ForgeError(words, where=str(recipe_folder), remedy="mend the git source in the recipe")
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    where = f"source {git_source_key(source)}"
    if shutil.which("git") is None:
        raise ForgeError("cannot be asked: there is no git on this machine", where=where, remedy="install git")
    command = ["git", "ls-remote", "--", url, revision, f"{revision}^{{}}"]
    try:
        done = subprocess.run(
            command,
            cwd=recipe_folder,
            env={**environment, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ForgeError(f"no answer within {SECONDS:.0f} s", where=where, remedy="try again later") from None
    if done.returncode:
        words = (done.stderr.strip().splitlines() or [f"git ended with {done.returncode}"])[0]
        raise ForgeError(f"cannot be asked: {words[:300]}", where=where, remedy="try again later")
    lines = (line.partition("\t") for line in done.stdout.splitlines())
    found = {name: commit for commit, _, name in lines}
    # A short name means what git takes it for (gitrevisions): ls-remote lists longer names that end like it, too.
    for name in (f"{prefix}{revision}" for prefix in ("", "refs/", "refs/tags/", "refs/heads/")):
        # An annotated tag is an object of its own; what it points at is listed with ^{}.
        commit = found.get(f"{name}^{{}}") or found.get(name)
        if commit is not None:
            return commit
    if re.fullmatch(r"[0-9a-f]{7,39}", revision):
        # No tag and no branch: a commit, abbreviated.
        return revision
    raise ForgeError("there is no such revision", where=where, remedy="mend the tag or branch in the recipe")
