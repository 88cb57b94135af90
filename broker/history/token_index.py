"""The index of a segment: which of its events have a search term or an idempotency key.

Both are kept as tokens of 32 bits. The first bits of a token choose one of the buckets. A bucket is a sorted list
of entries: the last 3 bytes of a token, and the number of the event.

The token of a term is its CRC-32, changed by a permutation that depends on the key of this Redis which also hashes
the terms of dead letters. So the index alone names no one. A cryptographic hash of each term would take more CPU
than all the rest of the history. The token of an idempotency key is its own first 4 bytes.

A stream entry has idempotency keys whole. Else their first 8 bytes are kept, which is half of them.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

import zstandard

from broker.history.records import UnreadableBlockError
from broker.queue.batch import compress_quickly, decompress
from broker.redis.client import Client
from broker.redis.errors import translated

LANE_BYTES = 8
"""Bytes of the lane that each of many tokens has in one large number. The upper half is room for products."""

KEY_BYTES = 16
"""Bytes of a whole key."""

SHORT_BYTES = 8
"""Bytes that a segment keeps of a key."""

_ROUNDS = 4
_STEP = 256
"""Tokens are computed for a multiple of this number of terms."""

_BYTES = 5
"""Bytes of an entry: 3 of the token, 2 of the number of the event."""

_BUCKET_PARTS = 1 << 12
"""The number of a bucket is the bits 5 to 12 of a double's fraction."""

TOGETHER = 256
"""Events whose tokens are added together."""

_PER_BUCKET = 64
"""Events of a segment for each bucket."""


def checksums(terms: Sequence[str]) -> array[int]:
    """Return the CRC-32 of each term in lower case."""
    # One call for all terms instead of one for each, unless a term holds the separator.
    words = "\x00".join(terms).lower().encode("utf-8", "surrogatepass").split(b"\x00")
    if len(words) != len(terms):
        words = [term.lower().encode("utf-8", "surrogatepass") for term in terms]
    return array("I", map(crc32, words))


def packed_checksums(sums: array[int]) -> bytes:
    """Return checksums in 4 bytes each, the lowest byte first."""
    return little_endian(sums).tobytes()


def unpacked_checksums(data: bytes) -> array[int]:
    """Return what `packed_checksums` packed. Raises ValueError."""
    return little_endian(array("I", data))


def little_endian(values: array[Any]) -> array[Any]:
    """Return values whose bytes come in the order from the lowest to the highest; or such bytes as values."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values


class Tokens:
    """Computes the tokens of one partition."""

    def __init__(self, key: bytes) -> None:
        """key: the key of this Redis."""
        digest = hashlib.blake2b(key[:64], digest_size=8 * _ROUNDS, person=b"history").digest()
        words = array("I", digest)
        self._rounds = [(words[place], words[place + 1] | 1) for place in range(0, len(words), 2)]
        self._in_lanes: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        """By number of lanes: the lower half of each lane, and the rounds with their first words in each lane."""

    def of_term(self, term: str) -> int:
        """Return the token of a term."""
        return int.from_bytes(self.of_checksums(packed_checksums(checksums([term]))), "little")

    def of_checksums(self, sums: bytes) -> bytes:
        """Return the tokens of up to some thousand terms with these checksums, in lanes, the lowest byte first."""
        count = len(sums) // 4
        low, rounds = self._rounds_for(-(-count // _STEP) * _STEP)
        # An int holds all of them, so that one operation changes all.
        value = int.from_bytes(in_lanes([sums[place::4] for place in range(4)]), "little")
        for mask, factor in rounds:
            value = ((value ^ mask) * factor) & low
            value ^= (value >> 15) & low
        # Lanes beyond the last checksum were changed too.
        return value.to_bytes(low.bit_length() // 8 + 4, "little")[: LANE_BYTES * count]

    def _rounds_for(self, lanes: int) -> tuple[int, list[tuple[int, int]]]:
        if lanes not in self._in_lanes:
            ones = int.from_bytes((b"\x01" + bytes(LANE_BYTES - 1)) * lanes, "little")
            self._in_lanes[lanes] = ones * 0xFFFFFFFF, [(ones * mask, factor) for mask, factor in self._rounds]
        return self._in_lanes[lanes]


def in_lanes(columns: Sequence[bytes]) -> bytearray:
    """Return one lane for each value. columns: the bytes of all values, those of the lowest place first."""
    lanes = bytearray(LANE_BYTES * len(columns[0]))
    for place, column in enumerate(columns):
        lanes[place::LANE_BYTES] = column
    return lanes


def short_key(key: str) -> bytes:
    """Return the 8 bytes that an idempotency key is kept as."""
    try:
        short = bytes.fromhex(key[:16])
    except ValueError:
        short = b""
    return short if len(short) == SHORT_BYTES else hashlib.blake2b(key.encode(), digest_size=SHORT_BYTES).digest()


def short_keys(keys: Sequence[str]) -> bytes:
    """Return the same of several keys, one after the other."""
    try:
        short = bytes.fromhex("".join([key[:16] for key in keys]))
    except ValueError:
        short = b""
    return short if len(short) == SHORT_BYTES * len(keys) else b"".join(map(short_key, keys))


def packed_keys(keys: Sequence[str]) -> bytes:
    """Return keys one after the other: whole, or shortened where one of them has not the form of Hookline's."""
    try:
        whole = bytes.fromhex("".join(keys))
    except ValueError:
        whole = b""
    # All have the right length if the longest and the shortest have: then each begins where it should.
    if len(whole) == KEY_BYTES * len(keys) and {*map(len, keys)} <= {2 * KEY_BYTES}:
        return whole
    return short_keys(keys)


def of_key(key: str) -> int:
    """Return the token of an idempotency key, which may be shortened to 16 characters."""
    return int.from_bytes(short_keys([key])[:4], "big")


def of_short_keys(short: bytes) -> bytes:
    """Return the tokens of short keys, in lanes."""
    return bytes(in_lanes([short[place::SHORT_BYTES] for place in (3, 2, 1, 0)]))


async def read_tokens(redis: Client) -> Tokens | None:
    """Return what computes the tokens of a partition; None if it has no key yet. Raises BrokerError."""
    with translated():
        key = await redis.get(redis.names.dead_find_key)
    return None if key is None else Tokens(key)


async def create_tokens(redis: Client) -> Tokens:
    """Return the same, and give the partition a key if it has none. Raises BrokerError."""
    with translated():
        await redis.set(redis.names.dead_find_key, secrets.token_hex(16), nx=True)
    return await read_tokens(redis) or Tokens(b"")


def buckets_for(rows: int) -> int:
    """Return how many buckets a segment of so many events has: a power of two, at most 256."""
    return 1 << min(8, max(0, (rows // _PER_BUCKET).bit_length() - 1))


def bucket_of(token: int, buckets: int) -> int:
    """Return the bucket of a token."""
    return token * buckets >> 32


class IndexBuilder:
    """Collects the entries of an index, and packs its buckets."""

    # An entry is kept as the double between 1 and 2 whose fraction is bucket, token, number: Python sorts doubles
    # much faster than integers of that size.
    def __init__(self, buckets: int) -> None:
        """buckets: how many, a power of two."""
        self.buckets = buckets
        self._bucket_of = bytes(first * buckets >> 8 for first in range(256))
        """By the first byte of a token its bucket."""

        self._entries = array("d")

    def add(self, tokens: bytes, first: int, places: bytes) -> None:
        """Add tokens, in lanes. places: of each token the number of its event, less `first`.

        first: a multiple of `TOGETHER`.
        """
        columns = [places, bytes([first // TOGETHER]) * len(places)]
        columns += [tokens[place::LANE_BYTES] for place in range(3)]
        columns.append(tokens[3::LANE_BYTES].translate(self._bucket_of))
        columns += [bytes([part]) * len(places) for part in (0xF0, 0x3F)]
        self._entries.extend(little_endian(array("d", bytes(in_lanes(columns)))))

    def packed(self) -> Iterator[tuple[int, bytes]]:
        """Yield each bucket that has entries, with its number."""
        entries = self._entries.tolist()
        entries.sort()
        data = struct.pack(f"<{len(entries)}d", *entries)
        start = 0
        for bucket in range(self.buckets):
            end = bisect_left(entries, 1 + (bucket + 1) / _BUCKET_PARTS, start)
            if end > start:
                yield bucket, _packed(data[LANE_BYTES * start : LANE_BYTES * end])
            start = end


def pack_values(values: list[int]) -> bytes:
    """Return sorted entries, column by column: the first bytes of all entries, then the second, and so on."""
    return _packed(little_endian(array("Q", values)).tobytes())


def _packed(lanes: bytes) -> bytes:
    return compress_quickly(b"".join([lanes[column::LANE_BYTES] for column in range(_BYTES)]))


def unpack_values(blob: bytes) -> array[int]:
    """Return the entries that `pack_values` packed. Raises UnreadableBlockError and nothing else."""
    try:
        columns = decompress(blob)
    except (ValueError, zstandard.ZstdError) as error:
        raise UnreadableBlockError(str(error)) from None
    count = len(columns) // _BYTES
    data = bytearray(8 * count)
    for column in range(_BYTES):
        data[column::8] = columns[column * count : (column + 1) * count]
    values = array("Q")
    values.frombytes(bytes(data))
    return little_endian(values)


def numbers_of(token: int, values: array[int]) -> Iterator[int]:
    """Yield the numbers of the events that have a token, in rising order. values: its bucket."""
    rest = token & 0xFFFFFF
    for place in range(bisect_left(values, rest << 16), len(values)):
        if values[place] >> 16 != rest:
            return
        yield values[place] & 0xFFFF
