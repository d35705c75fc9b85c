from __future__ import annotations

import hashlib
from pathlib import Path

from wvforge_dagster.core.package_file import PackageFile


def test_a_package_file_is_measured_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a-1-0.conda"
    path.write_bytes(b"content")
    file = PackageFile.read(path, "noarch")
    assert (file.filename, file.subdir, file.size) == ("a-1-0.conda", "noarch", 7)
    assert file.sha256 == hashlib.sha256(b"content").hexdigest()
