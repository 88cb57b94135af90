"""Exports as files: there as a whole, on the disk, for their owner alone, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from runtime.ids import new_id

PART = ".part"
"""What the name of a file ends in that is being written, or was when its writer died."""


async def write(path: Path, pieces: AsyncIterator[bytes]) -> int:
    """Write a file of mode 0600; its size in bytes.

    It gets its name when all of it is on the disk, and so does its directory. Raises OSError, FileExistsError for
    a name that is taken, and what `pieces` raises; then nothing is left behind.
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
        await asyncio.to_thread(_name, part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return size


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _name(part: Path, path: Path) -> None:
    os.link(part, path)  # unlike a rename it takes no other file's place
    part.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
