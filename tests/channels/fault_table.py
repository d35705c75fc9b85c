"""What each kind of channel does about each fault, as it is seen: ``python tests/channels/fault_table.py`` writes the table.

Every cell comes from uploads to a server that misbehaves so; `test_fault_table` looks whether some of them are still true.
"""

from __future__ import annotations

import re
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from servers.conda_server import CondaServer
from servers.http_server import Fault
from servers.moto_server import MotoServer, S3Relay

from channels.conftest import AWS, KEY, SERVERS, SUBDIRS, Samples, make_samples, open_server_channel
from wvforge_dagster.channels.credentials import Credentials
from wvforge_dagster.channels.folder import FolderChannel
from wvforge_dagster.channels.patience import Patience
from wvforge_dagster.channels.protocol import Channel
from wvforge_dagster.channels.remote import Access
from wvforge_dagster.channels.s3 import S3Channel
from wvforge_dagster.channels.s3_calls import S3Place
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.package_file import PackageFile

TABLE = Path(__file__).parents[2] / "docs" / "channel-faults.md"
WORDS = "words of the server"
PATIENCE = Patience(attempts=3, first_pause_s=0.05, upload_s=60, reading_s=10, listing_s=4)
FOR_HANGING = Patience(attempts=3, first_pause_s=0.05, upload_s=3, reading_s=3, listing_s=4)
WITH_ENGINE = Patience(attempts=2, first_pause_s=0.05, upload_s=60, reading_s=10, listing_s=4)
"""For the faults that the engine itself meets with four uploads to prefix.dev, seconds apart."""
KINDS = ("file", "s3", *SERVERS)
FAULTS: dict[str, Fault | None] = {
    **{str(status): Fault(status, WORDS) for status in (401, 403, 404)},
    "409, there with equal content": None,
    "409, there with other content": None,
    **{str(status): Fault(status, WORDS) for status in (413, 429, 500, 503)},
    "hangs": Fault(end="hang"),
    "connection reset": Fault(end="reset"),
    "answer cut short": Fault(end="cut"),
    "other bytes kept: wrong hash read back": Fault(spoil=True),
}
TRIED_AGAIN = ("429", "500", "503", "hangs", "connection reset", "answer cut short")
NOT_FOR_FOLDERS = "does not occur"

HEAD = """# What a channel does about faults

Written by `python tests/channels/fault_table.py` from what it sees when it uploads to servers that misbehave so (moto for S3,
the tests' own servers for the others); `tests/channels/test_fault_table.py` checks a part of it. Patience here: three attempts;
the real one is in `wvforge_dagster/channels/patience.py`. For 429 and 5xx of prefix.dev: two attempts, in each
of which the engine itself uploads four times.

"Passes" is a fault that occurs once, "stays" one that occurs every time. "Published" means read back from the channel's own
repodata with name, size and sha256. The status and the words are the server's.
"""


@dataclass(frozen=True)
class Place:
    """A channel of one kind, and the server before it, if there is one."""

    open: Callable[[], Channel]
    server: CondaServer | S3Relay | None
    put_unlisted: Callable[[PackageFile], object]
    """Put a package there which the index does not show yet."""


@contextmanager
def place_of(kind: str, folder: Path, moto: MotoServer | None, patience: Patience = PATIENCE) -> Iterator[Place]:
    if kind == "file":
        channel = FolderChannel(folder / "channel", label="file:channel")
        yield Place(lambda: channel, None, lambda package: channel.publish([package]))
    elif kind == "s3":
        assert moto is not None
        with S3Relay(moto) as relay:
            bucket = f"bucket-{uuid.uuid4().hex}"

            def opened() -> S3Channel:
                return S3Channel(
                    S3Place(bucket, "forge", relay.url, "us-east-1", path_style=True),
                    Access(Credentials(aws=AWS), SUBDIRS, patience),
                )

            store = opened()._store
            store.calls.client.create_bucket(Bucket=bucket)
            yield Place(
                opened,
                relay,
                lambda package: store.put(
                    f"{package.subdir}/{package.filename}", package.path.read_bytes(), instead_of=None
                ),
            )
    else:
        with SERVERS[kind](folder / "server", key=KEY) as server:
            name = "owner/forge" if kind == "cloudsmith" else "forge"

            def put(package: PackageFile) -> None:
                server.hidden_for_s = 1.5
                server.store(name, package.filename, package.subdir, package.path.read_bytes())

            yield Place(lambda: open_server_channel(server, patience=patience), server, put)


def observe(kind: str, name: str, samples: Samples, folder: Path, moto: MotoServer | None) -> str:
    """The cell of a fault: what was seen."""
    fault = FAULTS[name]
    if fault is None:
        with place_of(kind, folder / "once", moto) as place:
            place.put_unlisted(samples.alpha if "equal" in name else samples.alpha_again)
            return _publish(place, samples)[0]
    if kind == "file":
        return NOT_FOR_FOLDERS
    cells = []
    patience = FOR_HANGING if name == "hangs" else PATIENCE
    if kind == "prefix" and name in ("429", "500", "503"):
        patience = WITH_ENGINE
    if name in TRIED_AGAIN:
        with place_of(kind, folder / "once", moto, patience) as place:
            assert place.server is not None
            place.server.upload_faults.append(fault)
            outcome, uploads = _publish(place, samples)
            cells.append(f"passes: {outcome}" + (f" after {uploads} uploads" if uploads != 1 else ""))
    with place_of(kind, folder / "always", moto, patience) as place:
        assert place.server is not None
        place.server.always_upload = fault
        outcome, uploads = _publish(place, samples)
        if outcome != "published" and name != "other bytes kept: wrong hash read back":
            outcome += f" after {uploads} uploads" if uploads != 1 else " at once"
        cells.append(f"stays: {outcome}" if name in TRIED_AGAIN else outcome)
    return "; ".join(cells)


def _publish(place: Place, samples: Samples) -> tuple[str, int]:
    """The outcome in a few words, and how many uploads the server saw."""
    try:
        (entry,) = place.open().publish([samples.alpha])
    except ForgeError as error:
        outcome = _outcome(str(error))
    else:
        assert entry.sha256 == samples.alpha.sha256
        outcome = "published"
    return outcome, len(place.server.uploads()) if place.server else 0


def _outcome(text: str) -> str:
    if "is there with other content" in text:
        return "refused, nothing overwritten"
    if found := re.search(r"is listed with (\w+)", text):
        return f"error: listed with another {found[1]}"
    told = [part for part, seen in (("status", "HTTP "), ("words", WORDS)) if seen in text]
    if not told:
        reasons = (
            "no answer within",
            "no answer in time",
            "refused or broke",
            "connection reset",
            "Connection was closed",
        )
        told = [reason for reason in reasons if reason in text][:1]
        return f"error ({told[0].removesuffix(' within')})" if told else "error with the engine's words"
    return f"error with {' and '.join(told)}"


def render(cells: dict[tuple[str, str], str]) -> str:
    lines = [HEAD]
    for kind in KINDS:
        lines += [f"## {kind}", "", "| fault | outcome |", "| --- | --- |"]
        lines += [f"| {name} | {cells[kind, name]} |" for name in FAULTS]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def committed() -> dict[tuple[str, str], str]:
    """The cells of the table as it is in docs."""
    cells, kind = {}, ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            kind = line.removeprefix("## ")
        elif found := re.fullmatch(r"\| (.+?) \| (.+) \|", line):
            cells[kind, found[1]] = found[2]
    return cells


def main() -> None:
    cells = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        moto = stack.enter_context(MotoServer())
        samples = make_samples(folder / "samples")
        for kind in KINDS:
            for number, name in enumerate(FAULTS):
                cells[kind, name] = observe(kind, name, samples, folder / kind / str(number), moto)
                print(f"{kind}: {name}: {cells[kind, name]}", flush=True)
    TABLE.write_text(render(cells), encoding="utf-8")


if __name__ == "__main__":
    main()
