"""The index of an S3 channel: py-rattler makes it of what lies in the bucket, and writes it only over the one it read."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Set
from pathlib import Path

from rattler.index import S3Credentials, index_s3
from rattler.platform import Subdir

from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.package_archive import ENDINGS, unreadable
from wvforge_dagster.channels.patience import Patience, TransientError, patiently
from wvforge_dagster.channels.repodata import Index, read_repodata
from wvforge_dagster.channels.s3_calls import REMEDIES, S3Calls
from wvforge_dagster.channels.s3_store import S3Store
from wvforge_dagster.channels.verification import ASIDE
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.rattler_calls import wait_for


def read_index(content: bytes, subdir: str, *, label: str) -> Index:
    """A repodata.json that was read.

    Raises:
        ForgeError: if it is malformed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / subdir / "repodata.json"
        path.parent.mkdir()
        path.write_bytes(content)
        return read_repodata(path, subdir, where=f"{label}/{subdir}/repodata.json")


def write_index(
    calls: S3Calls,
    subdir: str,
    *,
    limit_s: float,
    force: bool,
    credentials: Credentials,
    patience: Patience,
    label: str,
) -> None:
    """Index one platform.

    Args:
        limit_s: seconds that one attempt may take.
        force: read all packages again, also those that are listed.

    Raises:
        ForgeError: with the server's words, if it cannot be written.
    """
    keys = calls.keys()
    access = S3Credentials(
        endpoint_url=calls.client.meta.endpoint_url,
        region=calls.client.meta.region_name,
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        session_token=keys.session_token,
        addressing_style="path" if calls.place.path_style else "virtual-host",
    )

    async def index() -> None:
        work = index_s3(calls.place.url, access, target_platform=Subdir(subdir), precondition_checks=True, force=force)
        await asyncio.wait_for(work, limit_s)

    def attempt() -> None:
        try:
            wait_for(index())
        except TimeoutError:
            raise TransientError(f"no index within {limit_s:.0f} s") from None
        except Exception as error:  # rattler has no common class of its errors
            words = " ".join(str(error).split())
            for secret in filter(None, (keys.secret_access_key, keys.session_token)):
                words = words.replace(secret, "***")
            raise _fault(credentials.redact(words), f"its index of {subdir} was not written", label) from None

    patiently(f"its index of {subdir} was not written", attempt, patience=patience, label=label)


def _fault(error: str, what: str, label: str) -> ForgeError | TransientError:
    """The indexer's words (py-rattler 0.28: ``... status: 403 ... S3Error { code: "X", message: "Y" }``) taken apart."""
    answered = re.search(r"status: (\d{3})", error)
    said = re.search(r'code: "([^"]*)", message: "([^"]*)"', error)
    words = ": ".join(part for part in (said.groups() if said else ()) if part) or error[:400]
    if answered is None:
        # Without an answer: "(permanent)" is what cannot be indexed, the others are connections that broke.
        passing = re.search(r"\((temporary|persistent)\)|error sending", error)
        return TransientError(words) if passing else ForgeError(f"{what}: {words}", where=label)
    status = int(answered[1])
    words = f"HTTP {status}: {words}"
    if status in (409, 429) or status >= 500:
        return TransientError(words)
    return ForgeError(f"{what}: {words}", where=label, remedy=REMEDIES.get(status))


def set_aside_unreadable(store: S3Store, subdir: str, *, listed: Set[str]) -> list[str]:
    """Rename unlisted objects that look like packages and are none, which no index can be made with."""
    aside = []
    with tempfile.TemporaryDirectory() as folder:
        for filename, size in sorted(store.sizes(subdir).items()):
            if filename in listed or not filename.endswith(ENDINGS):
                continue
            path = Path(folder) / filename
            if store.save(f"{subdir}/{filename}", path, most=size) and unreadable(path) is not None:
                store.rename(f"{subdir}/{filename}", f"{subdir}/{filename}{ASIDE}")
                aside.append(filename)
            path.unlink(missing_ok=True)
    return aside
