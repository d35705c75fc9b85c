"""Text inside a PNG file: a screenshot carries what it shows, so that a test can tell whether it is still true.

A ``tEXt`` chunk, as of the PNG specification: length, type, keyword NUL text, CRC-32 of type and data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert data.startswith(SIGNATURE), "no PNG"
    position = len(SIGNATURE)
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def add_text(path: Path, keyword: str, text: str) -> None:
    """Put a text, of Latin-1 letters, into a PNG file; in place of the one of this keyword."""
    added = keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    kept = [(kind, content) for kind, content in _chunks(path.read_bytes()) if not _is_text(kind, content, keyword)]
    first, *rest = kept
    path.write_bytes(SIGNATURE + b"".join(_chunk(*chunk) for chunk in (first, (b"tEXt", added), *rest)))


def read_text(path: Path, keyword: str) -> str | None:
    """The text of a keyword; None if the file has none."""
    for kind, content in _chunks(path.read_bytes()):
        if _is_text(kind, content, keyword):
            return content.partition(b"\0")[2].decode("latin-1")
    return None


def size(path: Path) -> tuple[int, int]:
    """Width and height."""
    _, header = next(_chunks(path.read_bytes()))
    width, height = struct.unpack(">II", header[:8])
    return width, height


def _is_text(kind: bytes, content: bytes, keyword: str) -> bool:
    return kind == b"tEXt" and content.startswith(keyword.encode("latin-1") + b"\0")
