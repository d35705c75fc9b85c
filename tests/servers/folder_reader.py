"""What a reader over HTTP finds in a channel folder: it takes the shards where there are any, else repodata.json.zst."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rattler import Channel, Gateway, SourceConfig

from wvforge_dagster.rattler_calls import wait_for

PLATFORMS = ("linux-64", "noarch")


def read_over_http(channel: Path, names: Iterable[str], *, shards: bool = True) -> dict[str, tuple[str, int]]:
    """The sha256 and size that a reader finds of packages, by ``SUBDIR/FILENAME``.

    Args:
        names: of the packages that it asks for.
        shards: whether it reads the shards.
    """
    platforms = [platform for platform in PLATFORMS if (channel / platform / "repodata.json").exists()]

    async def ask(url: str, cache: str) -> dict[str, tuple[str, int]]:
        gateway = Gateway(cache_dir=cache, default_config=SourceConfig(sharded_enabled=shards))
        found = await gateway.query(
            sources=[Channel(url)], platforms=platforms, specs=sorted(set(names)), recursive=False
        )
        return {
            f"{record.subdir}/{record.file_name}": ((record.sha256 or b"").hex(), record.size or 0)
            for records in found
            for record in records
        }

    with served(channel) as url, tempfile.TemporaryDirectory() as cache:
        return wait_for(ask(url, cache))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder while a web server gives it out."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
