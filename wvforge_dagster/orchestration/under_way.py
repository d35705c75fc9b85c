"""What a package variant that is being made waits for, in words for the one who waits."""

from __future__ import annotations

from wvforge_dagster.core.catalog import VariantId
from wvforge_dagster.orchestration.forge_on_disk import ForgeOnDisk
from wvforge_dagster.orchestration.locks import is_being_uploaded


def under_way(forge: ForgeOnDisk, identity: VariantId) -> str:
    """That it is being uploaded, or else the newest log of its builds and tests; empty if there is none."""
    if is_being_uploaded(forge, identity):
        labels = ", ".join(channel.label for _, channel in forge.targets_at_once(identity.package))
        return f"being uploaded to {labels}"
    # The name of a log begins with the time.
    log = max(forge.log_folder(identity).glob("*.log"), default=None)
    return f"log {log}" if log else ""
