"""Who may write to and read from channels: the only place where secrets are read, held and taken out of texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from wvforge_dagster.core.errors import ForgeError


@dataclass(frozen=True)
class Credentials:
    """What a user has given to authenticate with.

    Attributes:
        prefix_api_key: a prefix.dev API key. Never shown: the representation leaves it out.
        auth_file: a rattler auth file, a JSON object from hosts (``*.prefix.dev``) to credentials.
    """

    prefix_api_key: str | None = field(default=None, repr=False)
    auth_file: Path | None = None

    def api_key_for(self, url: str) -> str | None:
        """The API key, for prefix.dev and for servers on this machine only.

        The address stands in forge.yaml, which may be a stranger's: another server is shown what the auth file has for it.
        """
        host = urlsplit(url).hostname or ""
        trusted = host == "prefix.dev" or host.endswith(".prefix.dev") or host in ("localhost", "127.0.0.1", "::1")
        return self.prefix_api_key if trusted else None

    def bearer_for(self, url: str) -> str | None:
        """The token that a prefix server at `url` is shown, if there is one.

        The API key goes first (see `api_key_for`), then the auth file: the host itself, then its domains as ``*.domain``, the
        nearest first, as rattler matches them.

        Raises:
            ForgeError: if the auth file is missing or malformed. Its content is never part of the text.
        """
        if key := self.api_key_for(url):
            return key
        if self.auth_file is None:
            return None
        hosts = _read_auth_file(self.auth_file)
        for pattern in _host_patterns(urlsplit(url).hostname or ""):
            entry = hosts.get(pattern)
            token = entry.get("BearerToken") if isinstance(entry, dict) else None
            if isinstance(token, str):
                return token
        return None

    def redact(self, text: str) -> str:
        """`text` without any secret: neither the key, nor a token of the auth file, nor a signed address's query."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return re.sub(r"(https?://)(?:[^\s/@]+@)?([^\s?'\"]+)\?[^\s'\")]*", r"\1\2?***", text)

    def _secrets(self) -> list[str]:
        found = [self.prefix_api_key] if self.prefix_api_key else []
        if self.auth_file is not None:
            # Whoever needs the file reports that it cannot be read; here it means that nothing of it was shown.
            with suppress(ForgeError):
                found.extend(_strings(_read_auth_file(self.auth_file)))
        return sorted(found, key=len, reverse=True)


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """The credentials in an environment: ``PREFIX_API_KEY`` and ``RATTLER_AUTH_FILE``; empty values count as unset.

    Raises:
        ForgeError: if the key holds a line break or another character that no header can carry.
    """
    key = environ.get("PREFIX_API_KEY", "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise ForgeError("holds characters that no key has", where="PREFIX_API_KEY", remedy="set it to the key alone")
    auth_file = environ.get("RATTLER_AUTH_FILE", "")
    return Credentials(prefix_api_key=key or None, auth_file=Path(auth_file) if auth_file else None)


def _read_auth_file(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ForgeError(f"cannot be read: {error.strerror}", where=f"RATTLER_AUTH_FILE: {path}") from None
    except ValueError:
        raise ForgeError("is not JSON", where=f"RATTLER_AUTH_FILE: {path}") from None
    if not isinstance(content, dict):
        raise ForgeError("should hold an object from hosts to credentials", where=f"RATTLER_AUTH_FILE: {path}")
    return content


def _host_patterns(host: str) -> list[str]:
    labels = host.split(".")
    return [host, *("*." + ".".join(labels[start:]) for start in range(len(labels)))]


def _strings(value: object) -> list[str]:
    """The values of an auth file's entries that are long enough to be secrets."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    return [value] if isinstance(value, str) and len(value) >= 4 else []
