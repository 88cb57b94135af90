"""The format of the data in a directory, and the server that wrote it, from the head of the append-only file."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

_MANIFEST = Path("appendonlydir") / "appendonly.aof.manifest"

_HEAD_BYTES = 64
"""The magic and the writer's version are in the first bytes of the file."""

_MAGIC = re.compile(rb"(REDIS|VALKEY)(\d+)")
_WRITER = re.compile(rb"(?:redis|valkey)-ver.(\d+\.\d+(?:\.\d+)?)", re.DOTALL)


class StoredData(Struct, frozen=True):
    """The format of the append-only file in a directory."""

    directory: Path

    product: str
    """Redis or Valkey: whose format it is. Valkey before 9.0 writes the format of Redis 7.2."""

    rdb_version: int
    """The version of the format; 0 if the file has only commands, which every server reads."""

    writer: str
    """The server that wrote the file, such as `Redis 8.2.3`."""


def read_stored_data(directory: Path) -> StoredData | None:
    """Return the format of the data in this directory, None if there is no data or its file cannot be read.

    Also None for the single file of a server before 7.0, because every server reads that.
    """
    try:
        base = _base_file(directory / _MANIFEST)
        with base.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    # The server reports a damaged append-only file, with the file's name.
    except (OSError, ValueError):
        return None
    magic = _MAGIC.match(head)
    if magic is None:
        return StoredData(directory, "Redis", 0, "Redis 7.0 or later")
    product = magic[1].decode().capitalize()
    writer = _WRITER.search(head)
    version = writer[1].decode() if writer else f"with RDB version {int(magic[2])}"
    return StoredData(directory, product, int(magic[2]), f"{product} {version}")


def _base_file(manifest: Path) -> Path:
    for line in manifest.read_text().splitlines():
        words = line.split()
        fields = dict(zip(words[::2], words[1::2], strict=False))
        if fields.get("type") == "b":
            return manifest.parent / fields["file"]
    raise ValueError("the manifest names no base file")
