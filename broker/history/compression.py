"""Compresses the blocks of the history."""

from __future__ import annotations

import threading

import zstandard

_MAX_UNPACKED_BYTES = 64 * 1024 * 1024

# Rows are short and have few repetitions that a slower level would find: with the parameters of batches, a block
# takes four times as long and is not smaller.
_LEVEL = 1


# Making a context takes longer than compressing a small block, and a context serves one thread only.
class _Zstd(threading.local):
    """The compression contexts that this thread uses again."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()


def compress(data: bytes) -> bytes:
    """Return a zstd frame that contains the size of the data."""
    return _zstd.compressor.compress(data)


def decompress(blob: bytes) -> bytes:
    """Return the data that `compress` compressed. Raises ZstdError, or ValueError for more than 64 MiB."""
    if zstandard.frame_content_size(blob) > _MAX_UNPACKED_BYTES:
        raise ValueError("unpacks to too many bytes")
    return _zstd.decompressor.decompress(blob, max_output_size=_MAX_UNPACKED_BYTES)
