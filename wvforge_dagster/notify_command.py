"""``wvforge notify-test``."""

from __future__ import annotations

import typer
from rich.text import Text

from wvforge_dagster.settings import read_settings
from wvforge_dagster.showing import err, interruptible, out


def notify_test(context: typer.Context) -> None:
    """Send a test message to every entry of notify in forge.yaml, and say what came of each.

    Exit status: 0 all were told, 1 some were not.
    """
    from wvforge_dagster.orchestration.forge_on_disk import open_forge
    from wvforge_dagster.orchestration.telling import send_test

    forge = open_forge(read_settings(context.obj))
    with interruptible():
        found = send_test(forge)
    for recipient, sent in found:
        if sent.fault is None:
            out.print(f"{recipient.variable}: told", markup=False, soft_wrap=True)
        else:
            err.print(Text(f"{recipient.variable} {sent.fault}", style="red"), soft_wrap=True)
    if any(sent.fault for _, sent in found):
        raise typer.Exit(1)
