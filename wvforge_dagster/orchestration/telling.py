"""Telling the recipients of `notify`, after the work: nothing that happens here fails a build or holds it up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.core.errors import ForgeError
from wvforge_dagster.core.notices import NOTHING, Notice, news, standing, unfinished_night_notice
from wvforge_dagster.core.recipients import Recipient
from wvforge_dagster.core.state import Status
from wvforge_dagster.notify.addresses import Addresses, read_addresses
from wvforge_dagster.notify.sending import Sent, send
from wvforge_dagster.orchestration.failures import read_failures
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.told import claim, take_back

SECONDS = 15.0
"""For all recipients together."""

_REMEDY = "try it with wvforge notify-test"


def forge_name(forge: ForgeOnDisk) -> str:
    """How a forge is called where it is told of: as its folder."""
    return forge.root.name


def tell(forge: ForgeOnDisk, statuses: Mapping[VariantId, Status] | None, *more: Notice) -> tuple[ForgeError, ...]:
    """Tell every recipient what it was not told yet, and `more`. What none of its addresses took is told the next time.

    Args:
        statuses: of the whole forge, now; None: only `more` is told.
        more: what is told whatever was told before.

    Returns:
        Who could not be told, one line each. Nothing is raised.
    """
    if not forge.forge.notify:
        return ()
    try:
        return tuple(_tell(forge, statuses, more))
    except Exception as error:  # whatever it is, the work is done
        words = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return (ForgeError(f"nobody could be told: {words}", where=_where(forge), remedy=_REMEDY),)


def _tell(
    forge: ForgeOnDisk, statuses: Mapping[VariantId, Status] | None, more: tuple[Notice, ...]
) -> Iterator[ForgeError]:
    now = NOTHING if statuses is None else standing(forge.catalog, statuses, read_failures(forge))
    orders: list[tuple[Addresses, Notice]] = []
    for recipient in forge.forge.notify:
        addresses = read_addresses(recipient.variable, forge.settings.environ)
        if addresses.is_set and not addresses.urls:
            continue
        claimed: tuple[Notice, ...] = ()
        try:
            claimed = claim(forge, recipient.variable, partial(news, forge_name(forge), now))
        except OSError as error:
            # Told without being remembered, it would be told again after every build.
            what = f"what is new was not told: {error.filename}: {error.strerror}"
            yield ForgeError(what, where=_where(forge), remedy="what was told is kept there")
        orders += [(addresses, notice) for notice in (*claimed, *more) if notice.event in recipient.events]
    untold = list(orders)
    try:
        results = send(orders, SECONDS)
        untold = [(sent.addresses, sent.notice) for sent in results if not sent.told]
    finally:
        for addresses, notice in untold:
            take_back(forge, addresses.variable, notice.marks)
    faults = {sent.addresses.variable: sent for sent in reversed(results) if sent.fault is not None}
    for variable, sent in faults.items():
        remedy = _REMEDY if sent.addresses.urls else "set it, to nothing if nobody is to be told from here"
        yield ForgeError(f"{variable} {sent.fault}", where=_where(forge), remedy=remedy)


@contextmanager
def night_told(forge: ForgeOnDisk) -> Iterator[None]:
    """Tell of a nightly run that ends with a fault before it could tell of itself; the fault goes on."""
    try:
        yield
    except ForgeError as fault:
        tell(forge, None, unfinished_night_notice(forge_name(forge), str(fault)))
        raise


def send_test(forge: ForgeOnDisk) -> tuple[tuple[Recipient, Sent], ...]:
    """Send a test message to every recipient, and say what came of each.

    Raises:
        ForgeError: if there is none.
    """
    recipients = forge.forge.notify
    if not recipients:
        remedy = "write whom to tell, see docs/automation.md"
        raise ForgeError("there is none", where=_where(forge), remedy=remedy)
    found = [read_addresses(recipient.variable, forge.settings.environ) for recipient in recipients]
    notices = [
        Notice("test", f"{forge_name(forge)}: a test", (f"You will be told of: {', '.join(recipient.events)}.",))
        for recipient in recipients
    ]
    return tuple(zip(recipients, send(zip(found, notices, strict=True), SECONDS), strict=True))


def _where(forge: ForgeOnDisk) -> str:
    return str(forge.root / "forge.yaml: notify")
