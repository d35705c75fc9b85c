"""``wvforge schema``."""

from __future__ import annotations

import sys


def schema() -> None:
    """Print the JSON schema of forge.yaml, by which editors complete and check one. Needs no forge."""
    from wvforge_dagster.forge_schema import forge_schema

    sys.stdout.write(forge_schema())
