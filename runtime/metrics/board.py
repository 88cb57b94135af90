"""The last reports of the processes of a group, in memory that they share.

The processes share one port, so that any of them may be asked for the metrics of all. The parent creates the board
before it forks. Each process writes to a slot of its own. A report that is read while it is written, or whose
process died meanwhile, does not fit its checksum and counts as missing.
"""

from __future__ import annotations

import mmap
import struct
import time
import zlib

import msgspec
from msgspec import Struct, structs

from runtime.metrics.declaration import Sample

# The memory is taken only as far as it is written.
_SLOT_BYTES = 4 * 1024 * 1024
_HEAD = struct.Struct("<II")  # the size of the report and its checksum
_TRIES = 5
_PAUSE_S = 0.001


class Report(Struct, frozen=True, array_like=True):
    """The report of one process about itself."""

    pid: int
    at_s: float
    """When it was written, by the monotonic clock, which all processes of a machine share."""

    reasons: list[str]
    """Why the process is not ready; empty if it is."""

    samples: dict[str, list[Sample]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Report).decode


class Board:
    """The reports of `count` processes."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._memory = mmap.mmap(-1, count * _SLOT_BYTES)

    def publish(self, process: int, report: Report) -> None:
        """Replace the report of a process, by its number from 0. One that is too large loses its samples."""
        data = _encode(report)
        if len(data) > _SLOT_BYTES - _HEAD.size:
            data = _encode(structs.replace(report, samples={}))
        start = process * _SLOT_BYTES
        self._memory[start : start + _HEAD.size] = _HEAD.pack(len(data), zlib.crc32(data))
        self._memory[start + _HEAD.size : start + _HEAD.size + len(data)] = data

    def reports(self) -> dict[int, Report]:
        """Return the last report of each process that has one, by its number."""
        found = {process: self._read(process) for process in range(self.count)}
        return {process: report for process, report in found.items() if report is not None}

    def _read(self, process: int) -> Report | None:
        start = process * _SLOT_BYTES
        for _ in range(_TRIES):
            size, checksum = _HEAD.unpack(self._memory[start : start + _HEAD.size])
            if not size:
                return None
            data = self._memory[start + _HEAD.size : start + _HEAD.size + size]
            if zlib.crc32(data) == checksum:
                return _decode(data)
            time.sleep(_PAUSE_S)  # another process writes it now, which takes less
        return None
