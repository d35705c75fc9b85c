"""The machine's interpreter as a conda package: installed by py-rattler, it is a Python of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from upstream.registry import Registry
from wvforge_dagster.upstream.assemble import assemble

pytest.importorskip("whl2conda", reason="whl2conda is not installed (extra 'embedded')")
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.integration
def test_an_installed_copy_runs_imports_noarch_packages_and_knows_its_place(registry: Registry, tmp_path: Path) -> None:
    import rattler

    pins = registry.wheel("pure_one", "1.0", {"pure_one.py": "VALUE = 1\n"})
    manifest = tmp_path / "upstream.yaml"
    manifest.write_text(yaml.safe_dump({"interpreters": [MINOR], "wheels": [{"pip": "pure-one==1.0", "sha256": pins}]}))
    channel = tmp_path / "channel"
    report = assemble(manifest, channel, tmp_path / "sources", tmp_path / "work", lambda event: None)
    if report.missing:
        pytest.skip(report.missing[0].reason)
    prefix = tmp_path / "an environment"

    async def install() -> None:
        records = await rattler.solve(
            [rattler.Channel(channel.as_uri())],
            [f"python {MINOR}.*", "pure-one"],
            platforms=["linux-64", "linux-aarch64", "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
        await rattler.install(records, prefix, cache_dir=tmp_path / "cache")

    asyncio.run(install())
    program = (
        "import json, pure_one, ssl, sys, sysconfig; print(json.dumps([sys.prefix, pure_one.VALUE,"
        " sysconfig.get_path('purelib'), sysconfig.get_config_var('INCLUDEPY')]))"
    )
    done = subprocess.run([prefix / "bin" / "python", "-I", "-c", program], capture_output=True, text=True, check=True)
    packages = str(prefix / "lib" / f"python{MINOR}" / "site-packages")
    assert json.loads(done.stdout) == [str(prefix), 1, packages, str(prefix / "include" / f"python{MINOR}")]
