"""A batch: the bodies that one flush wrote as one stream entry.

zstd(msgpack([[received_at_ms, source, event_hint, body, headers], ...])). Bodies of one source are alike, so
compressed together they cost a few per cent of their size.

A body with more fields than this version knows is unreadable to it, so that a worker leaves what a newer version
wrote to a newer worker. A change that more fields do not tell must take another shape than a list of lists.
"""

from __future__ import annotations

import threading

import msgspec
import zstandard
from msgspec import Struct

MAX_BODIES = 128
MAX_BYTES = 256 * 1024
"""Bounds of a batch before compression. A body larger than MAX_BYTES travels alone."""

_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_COMPRESSION = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_GREEDY, window_log=18, min_match=6, hash_log=13, chain_log=13, search_log=1
)
"""Between levels 1 and 4: a seventh smaller than level 1 for batches of 64, for 3.5 us more of CPU an event."""


class RawBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One webhook as it came in."""

    received_at_ms: int
    source: str
    event_hint: str
    """Event name from the URL, or ""."""

    body: bytes
    headers: str = ""
    """The request's headers that are kept: `name: value` lines with names in lower case, at most 1 KB, no control
    characters in the values. In a batch they come last, so that they and the next body's start are one match."""


class UnreadableBatchError(Exception):
    """The bytes are not a batch that this version can read."""


class _Zstd(threading.local):
    """Contexts to use again: making one takes longer than packing a body. They bear one thread each."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(compression_params=_COMPRESSION)
        self.decompressor = zstandard.ZstdDecompressor()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[RawBody])
_zstd = _Zstd()


def encode(bodies: list[RawBody]) -> bytes:
    """Pack bodies."""
    return compress(_encoder.encode(bodies))


def decode(blob: bytes) -> list[RawBody]:
    """Unpack bodies. Raises UnreadableBatchError and nothing else."""
    try:
        return _decoder.decode(decompress(blob))
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadableBatchError(str(error)) from None


def compress(data: bytes) -> bytes:
    """One zstd frame that states its size."""
    return _zstd.compressor.compress(data)


def decompress(blob: bytes) -> bytes:
    """Undo `compress`. Raises ValueError or ZstdError; never unpacks more than 64 MiB."""
    size = zstandard.frame_content_size(blob)
    if size > _MAX_UNPACKED_BYTES:
        raise ValueError(f"unpacks to {size} bytes, more than {_MAX_UNPACKED_BYTES}")
    return _zstd.decompressor.decompress(blob, max_output_size=_MAX_UNPACKED_BYTES)
