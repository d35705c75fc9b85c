"""Rattler's auth file: a JSON object from hosts and addresses to credentials."""

from __future__ import annotations

import json
from pathlib import Path

from wvforge_dagster.core.errors import ForgeError


def read_auth_file(path: Path) -> dict[str, object]:
    """What an auth file holds.

    Raises:
        ForgeError: if it is missing or malformed. Its content is never part of the text.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ForgeError(f"cannot be read: {error.strerror}", where=f"RATTLER_AUTH_FILE: {path}") from None
    except ValueError:
        raise ForgeError("is not JSON", where=f"RATTLER_AUTH_FILE: {path}") from None
    if not isinstance(content, dict):
        raise ForgeError("should hold an object from hosts to credentials", where=f"RATTLER_AUTH_FILE: {path}")
    return content


def host_patterns(host: str) -> list[str]:
    """The entries for a host, as rattler matches them: itself, then its domains as ``*.domain``, the nearest first."""
    labels = host.split(".")
    return [host, *("*." + ".".join(labels[start:]) for start in range(len(labels)))]


def secrets_in(value: object) -> list[str]:
    """The values of an auth file's entries that are long enough to be secrets."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in secrets_in(item)]
    return [value] if isinstance(value, str) and len(value) >= 4 else []
