"""Writes export files. A file appears complete, synced to disk and readable by its owner only, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from runtime.ids import new_id

PART = ".part"
"""Suffix of a file that is being written. It is left behind if the process is killed."""


async def write(path: Path, pieces: AsyncIterator[bytes]) -> int:
    """Write a file of mode 0600 and return its size in bytes.

    The file gets its name after all of it is synced to disk; then its directory is synced. Raises FileExistsError
    if the name exists, OSError, and what `pieces` raises. After an error no file is left behind.
    """
    part = path.with_name(f".{path.name}.{new_id()}{PART}")
    descriptor = await asyncio.to_thread(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    size = 0
    try:
        try:
            async for piece in pieces:
                await asyncio.to_thread(_write_all, descriptor, piece)
                size += len(piece)
            await asyncio.to_thread(os.fsync, descriptor)
        finally:
            os.close(descriptor)
        await asyncio.to_thread(_rename, part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return size


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _rename(part: Path, path: Path) -> None:
    # Unlike os.rename, os.link does not replace an existing file.
    os.link(part, path)
    part.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
