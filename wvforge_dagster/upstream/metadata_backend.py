"""A build backend that only answers for metadata, from the PKG-INFO that every source archive carries.

pip asks a source archive's own backend even when it only downloads it, which for a CUDA extension can mean
to compile its build requirements first. ``fetch`` copies this file under the names of the usual backends into
a folder that comes first on pip's path, so nothing of the archive runs. It must not import anything of this
project.
The two functions are PEP 517's.
"""

from __future__ import annotations

import email.parser
import pathlib
import shutil


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    """Nothing is needed to read PKG-INFO."""
    return []


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:
    """Write ``NAME-VERSION.dist-info`` into a folder; returns that name."""
    text = pathlib.Path("PKG-INFO").read_text(encoding="utf-8")
    head = email.parser.Parser().parsestr(text, headersonly=True)
    name = head["Name"].replace("-", "_") + "-" + head["Version"] + ".dist-info"
    folder = pathlib.Path(metadata_directory) / name
    folder.mkdir()
    shutil.copyfile("PKG-INFO", folder / "METADATA")
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\n", encoding="utf-8")
    return name


class __legacy__:  # noqa: N801  (the name that pip asks for where an archive names no backend)
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
