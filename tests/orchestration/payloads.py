"""What lies in the packages that small forges make."""

from __future__ import annotations

import asyncio

from rattler.package_streaming import PackageArchive
from small_forge import SmallForge


def payload(forge: SmallForge, package: str, partition: str = "") -> str:
    """What ``share/PACKAGE.txt`` says in the package that is up to date, or else in the last one."""
    (artifact,) = forge.status(package, partition).artifacts
    path = forge.root / "output" / "staging" / artifact.subdir / artifact.filename

    async def read() -> bytes | None:
        return await (await PackageArchive.from_path(path)).read_file(f"share/{package}.txt")

    return (asyncio.run(read()) or b"").decode().strip()
