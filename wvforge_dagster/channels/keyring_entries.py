"""Credentials in the system's keyring, where ``rattler auth login`` and ``pixi auth login`` keep them.

They lie under the service ``rattler``, each by the host (or the address of a bucket) that it is for, as JSON of the form that
an auth file has. The library ``keyring`` is optional (the extra ``keyring``): without it, or without a keyring, there are none.
"""

from __future__ import annotations

import json

SERVICE = "rattler"

_seen: dict[str, dict[str, object]] = {}


def keyring_entry(place: str) -> dict[str, object] | None:
    """What the keyring has for a host, ``*.domain`` or ``s3://`` address; None if nothing that can be read."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found = json.loads(keyring.get_password(SERVICE, place) or "null")
    except (KeyringError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    _seen[place] = found
    return found


def entries_seen() -> tuple[dict[str, object], ...]:
    """What this process has read of the keyring so far: what must not be shown."""
    return tuple(_seen.values())
