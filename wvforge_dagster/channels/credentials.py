"""Who may write to and read from channels: the only place where secrets are read, held and taken out of texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from wvforge_dagster.channels.auth_file import host_patterns, read_auth_file, secrets_in
from wvforge_dagster.channels.keyring_entries import entries_seen, keyring_entry
from wvforge_dagster.channels.redaction import excerpt, redact
from wvforge_dagster.core.errors import ForgeError

KEY_VARIABLES = {
    "prefix": "PREFIX_API_KEY",
    "quetz": "QUETZ_API_KEY",
    "anaconda": "ANACONDA_API_KEY",
    "artifactory": "ARTIFACTORY_TOKEN",
    "cloudsmith": "CLOUDSMITH_API_KEY",
}
"""The variable that holds the key, by kind of channel."""

SERVER_VARIABLES = {"quetz": "QUETZ_SERVER_URL", "artifactory": "ARTIFACTORY_SERVER_URL"}
"""The variable that names the server which the key is for, where a kind has no server of its own."""

IDENTITY_VARIABLES = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""What GitHub Actions gives a job that has ``permissions: id-token: write``."""

AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

_DOMAINS = {
    "prefix": ("prefix.dev",),
    "anaconda": ("anaconda.org",),
    "cloudsmith": ("cloudsmith.io", "cloudsmith.com"),
}
_ENTRY_TYPES = {
    "prefix": ("BearerToken",),
    "quetz": ("CondaToken",),
    "anaconda": ("CondaToken",),
    "artifactory": ("BearerToken",),
    "cloudsmith": ("CondaToken", "BearerToken"),
}
"""Which entries of an auth file hold the key, by kind of channel, as rattler-build takes them."""


@dataclass(frozen=True)
class AwsKeys:
    """An access key of S3. Never shown: the representation leaves it out."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Identity:
    """Where a job of GitHub Actions gets the proof of who it is, and with what. The representation shows neither."""

    request_url: str = field(repr=False)
    request_token: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """What a user has given to authenticate with.

    Attributes:
        prefix_api_key: a prefix.dev API key. Never shown: the representation leaves it out, and the other keys as well.
        auth_file: a rattler auth file, a JSON object from hosts (``*.prefix.dev``) to credentials.
        quetz_server, artifactory_server: addresses of the servers that the keys of these kinds are for.
        half_of_aws: the variable that is missing, where only one of a pair of AWS keys is set.
    """

    prefix_api_key: str | None = field(default=None, repr=False)
    auth_file: Path | None = None
    quetz_api_key: str | None = field(default=None, repr=False)
    anaconda_api_key: str | None = field(default=None, repr=False)
    artifactory_token: str | None = field(default=None, repr=False)
    cloudsmith_api_key: str | None = field(default=None, repr=False)
    quetz_server: str | None = None
    artifactory_server: str | None = None
    aws: AwsKeys | None = None
    half_of_aws: str | None = None
    identity: Identity | None = None

    def api_key_for(self, url: str, kind: str = "prefix") -> str | None:
        """The API key of a kind, for that kind's own servers and for servers on this machine only.

        The address stands in forge.yaml, which may be a stranger's: another server is shown what the auth file has for it.
        """
        trusted = _is_trusted(url, kind)
        named = {"quetz": self.quetz_server, "artifactory": self.artifactory_server}.get(kind)
        trusted = trusted or bool(named and _origin(named) == _origin(url))
        return self._key(kind) if trusted else None

    def identity_for(self, url: str) -> Identity | None:
        """The job's identity, for prefix.dev and for servers on this machine: a stranger's forge.yaml may name others."""
        return self.identity if _is_trusted(url, "prefix") else None

    def secret_for(self, kind: str, url: str) -> str | None:
        """What a server of this kind at `url` is shown, if there is anything.

        The API key goes first (see `api_key_for`), then the auth file, or the keyring if there is none: the host itself, then
        its domains as ``*.domain``, the nearest first, as rattler matches them.

        Raises:
            ForgeError: if the auth file is missing or malformed. Its content is never part of the text.
        """
        if key := self.api_key_for(url, kind):
            return key
        stored = self._stored()
        for pattern in host_patterns(urlsplit(url).hostname or ""):
            entry = stored(pattern)
            for name in _ENTRY_TYPES[kind]:
                token = entry.get(name) if isinstance(entry, dict) else None
                if isinstance(token, str):
                    return token
        return None

    def bearer_for(self, url: str) -> str | None:
        """The token that a prefix server at `url` is shown, if there is one; see `secret_for`."""
        return self.secret_for("prefix", url)

    def aws_keys_for(self, url: str) -> AwsKeys | None:
        """The keys for the S3 channel `url` (``s3://bucket/prefix``): the environment's, else those stored; None: neither.

        The auth file, or the keyring if there is none, is asked for the bucket, then for the address and the addresses above
        it, as rattler does.

        Raises:
            ForgeError: if the auth file is missing or malformed.
        """
        if self.aws is not None:
            return self.aws
        stored = self._stored()
        parts = url.split("/")
        for place in (parts[2], *("/".join(parts[:stop]) for stop in range(len(parts), 2, -1))):
            entry = stored(place)
            found = entry.get("S3Credentials") if isinstance(entry, dict) else None
            if isinstance(found, dict):
                try:
                    return AwsKeys(found["access_key_id"], found["secret_access_key"], found.get("session_token"))
                except KeyError as missing:
                    raise ForgeError(
                        f"{place}: the entry lacks {missing}", where=f"RATTLER_AUTH_FILE: {self.auth_file or 'keyring'}"
                    ) from None
        return None

    def redact(self, text: str) -> str:
        """`text` without any secret: neither the key, nor a token of the auth file, nor a signed address's query."""
        return redact(text, self._secrets())

    def excerpt(self, text: str, *, was_cut: bool = False) -> str:
        """A server's words in one short line, without any secret; see `redaction.excerpt`."""
        return excerpt(text, self._secrets(), was_cut=was_cut)

    def _stored(self) -> Callable[[str], object]:
        """What is stored for a host or an address: in the auth file, or in the keyring if there is none.

        Raises:
            ForgeError: if the auth file is missing or malformed.
        """
        return keyring_entry if self.auth_file is None else read_auth_file(self.auth_file).get

    def _key(self, kind: str) -> str | None:
        return {
            "prefix": self.prefix_api_key,
            "quetz": self.quetz_api_key,
            "anaconda": self.anaconda_api_key,
            "artifactory": self.artifactory_token,
            "cloudsmith": self.cloudsmith_api_key,
        }.get(kind)

    def refuse_half_of_aws(self) -> None:
        """To be called where S3 is used: other forges need not care.

        Raises:
            ForgeError: naming the variable of the pair that is missing.
        """
        if self.half_of_aws is not None:
            raise ForgeError("is not set, but its other half is", where=self.half_of_aws, remedy="set both or none")

    def _secrets(self) -> list[str]:
        found = [key for kind in KEY_VARIABLES if (key := self._key(kind))]
        if self.cloudsmith_api_key:
            # As HTTP shows it where the channel is read.
            found.append(base64.b64encode(f"token:{self.cloudsmith_api_key}".encode()).decode())
        if self.aws is not None:
            parts = (self.aws.access_key_id, self.aws.secret_access_key, self.aws.session_token)
            found += [part for part in parts if part]
        if self.identity is not None:
            found.append(self.identity.request_token)
        if self.auth_file is not None:
            # Whoever needs the file reports that it cannot be read; here it means that nothing of it was shown.
            with suppress(ForgeError):
                found.extend(secrets_in(read_auth_file(self.auth_file)))
        found.extend(text for entry in entries_seen() for text in secrets_in(entry))
        return found


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """The credentials in an environment: the keys of `KEY_VARIABLES` and `AWS_VARIABLES`, and ``RATTLER_AUTH_FILE``.

    Empty values count as unset.

    Raises:
        ForgeError: if a key holds a line break or another character that no header can carry.
    """
    found = {name: _one_word(environ, name) for name in (*KEY_VARIABLES.values(), *AWS_VARIABLES, *IDENTITY_VARIABLES)}
    key_id, secret, token = (found[name] for name in AWS_VARIABLES)
    address, proof = (found[name] for name in IDENTITY_VARIABLES)
    auth_file = environ.get("RATTLER_AUTH_FILE", "")
    return Credentials(
        prefix_api_key=found["PREFIX_API_KEY"],
        auth_file=Path(auth_file) if auth_file else None,
        quetz_api_key=found["QUETZ_API_KEY"],
        anaconda_api_key=found["ANACONDA_API_KEY"],
        artifactory_token=found["ARTIFACTORY_TOKEN"],
        cloudsmith_api_key=found["CLOUDSMITH_API_KEY"],
        quetz_server=environ.get("QUETZ_SERVER_URL") or None,
        artifactory_server=environ.get("ARTIFACTORY_SERVER_URL") or None,
        aws=AwsKeys(key_id, secret, token) if key_id and secret else None,
        half_of_aws=AWS_VARIABLES[1 if key_id else 0] if bool(key_id) != bool(secret) else None,
        identity=Identity(address, proof) if address and proof else None,
    )


def _is_trusted(url: str, kind: str) -> bool:
    """Whether a server is this kind's own, or on this machine."""
    host = urlsplit(url).hostname or ""
    domains = _DOMAINS.get(kind, ())
    return host in ("localhost", "127.0.0.1", "::1", *domains) or any(host.endswith("." + name) for name in domains)


def _one_word(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name, "").strip()
    if not re.fullmatch(r"[!-~]*", value):
        raise ForgeError("holds characters that no key has", where=name, remedy="set it to the key alone")
    return value or None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
