"""Shared libraries with device code, without nvcc: the container of device code (fatbin) is written here, and a C compiler's
assembler puts it where nvcc does. NVIDIA does not document it; cuobjdump is what says that it is one."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

PTX, SASS = 1, 2
_HEADER = 80

_ASSEMBLER = """\
.section .nv_fatbin,"a"
.align 8
code: .incbin "{name}.fatbin"
.section .nvFatBinSegment,"aw"
.align 8
.int 0x466243b1
.int 1
.quad code
.quad 0
.section .note.GNU-stack,""
"""


def make_fat_library(path: Path, entries: Iterable[tuple[int, int]]) -> Path:
    """A shared library with an empty module of each kind (`PTX`, `SASS`) and architecture (80 for 8.0)."""
    body = b"".join(_entry(kind, number) for kind, number in entries)
    folder, name = path.parent, path.name
    (folder / f"{name}.fatbin").write_bytes(struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body)
    (folder / f"{name}.s").write_text(_ASSEMBLER.format(name=name))
    subprocess.run(["cc", "-shared", "-o", name, f"{name}.s"], cwd=folder, check=True)
    (folder / f"{name}.fatbin").unlink()
    (folder / f"{name}.s").unlink()
    return path


def _entry(kind: int, number: int) -> bytes:
    payload = _ptx(number) if kind == PTX else _cubin(number)
    payload += b"\0" * (8 - len(payload) % 8)
    head = struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, _HEADER, len(payload), 0, 64, 2, 9, number, 0, 0, 0x11, 0, 0)
    return head + struct.pack("<QQ", 0x48, 0) + payload


def _ptx(number: int) -> bytes:
    return f".version 7.0\n.target sm_{number}\n.address_size 64\n".encode()


def _cubin(number: int) -> bytes:
    """An empty object file, called one of NVIDIA's (EM_CUDA, 190), with the architecture in its flags."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cc", "-c", "-x", "assembler", "-o", "empty.o", "/dev/null"], cwd=folder, check=True)
        made = bytearray(Path(folder, "empty.o").read_bytes())
    made[7:9] = b"\x33\x07"
    struct.pack_into("<HH", made, 16, 2, 190)
    struct.pack_into("<I", made, 48, number | number << 16)
    return bytes(made)
