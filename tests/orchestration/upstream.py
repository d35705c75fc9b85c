"""An upstream channel in a folder, which changes as upstream channels do."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from channels.packages import make_package

from wvforge_dagster.channels.folder import FolderChannel


class Upstream:
    """A channel of packages as small as they can be. Each holds one file with its name, version and `content`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._channel = FolderChannel(folder / "channel")
        self._channel.create()

    def copy(self, folder: Path) -> Upstream:
        """The same channel at another place, to be changed apart from this one."""
        shutil.copytree(self.folder, folder)
        return Upstream(folder)

    @property
    def setting(self) -> dict[str, str]:
        """The channel as forge.yaml names it."""
        return {"file": str(self.folder / "channel")}

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        number: int = 0,
        run: Iterable[str] = (),
        exports: Iterable[str] = (),
    ) -> None:
        """Publish a package that requires `run`, and that what builds against it requires `exports`."""
        requirements: dict[str, Any] = {"run": [*run], "run_exports": [*exports]}
        folder = self.folder / f"{name}-{version}-{number}"
        content = f"{name} {version}"
        self._channel.publish(
            [make_package(folder, name, version=version, number=number, content=content, requirements=requirements)]
        )
