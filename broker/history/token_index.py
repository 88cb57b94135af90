"""The index of a segment: which of its events have a search term or an idempotency key.

A term is kept as a token: 32 bits that depend on the term and on the key of this Redis which also hashes the terms
of dead letters, so that the index alone names no one. The token of an idempotency key is its own first 4 bytes.

The first bits of a token choose one of the buckets. A bucket is a sorted list of entries: the last 3 bytes of a
token, and the number of the event.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from zlib import crc32

import zstandard

from broker.history.blocks import short_keys
from broker.history.compression import compress, decompress
from broker.history.records import UnreadableBlockError
from broker.redis.client import Client
from broker.redis.errors import translated

_BYTES = 5
"""Bytes of an entry: 3 of the token, 2 of the number of the event."""

_ROUNDS = 4
_PER_BUCKET = 64
"""Events of a segment for each bucket."""


class Tokens:
    """Computes the tokens of one partition.

    The token of a term is its CRC-32, changed by a permutation of 32 bits that the key of this Redis determines. A
    cryptographic hash of each term would take as much CPU as all the rest of the history.
    """

    def __init__(self, key: bytes) -> None:
        digest = hashlib.blake2b(key[:64], digest_size=8 * _ROUNDS, person=b"history").digest()
        words = array("I", digest)
        self._rounds = [(words[place], words[place + 1] | 1) for place in range(0, len(words), 2)]

    def of_term(self, term: str) -> int:
        """Return the token of a term in lower case."""
        return self.of_terms([term])[0]

    def of_terms(self, terms: Sequence[str]) -> array[int]:
        """Return the tokens of terms in lower case."""
        # An int holds all of them, each in 64 bits, so that one operation changes all.
        text = "\x00".join(terms).encode("utf-8", "surrogatepass")
        data = array("Q", map(crc32, text.split(b"\x00"))) if terms else array("Q")
        size, order = 8 * len(data), sys.byteorder
        ones = int.from_bytes(array("Q", [1]).tobytes() * len(data), order)
        low = ones * 0xFFFFFFFF
        value = int.from_bytes(data.tobytes(), order)
        for mask, factor in self._rounds:
            value = ((value ^ ones * mask) * factor) & low
            value ^= (value >> 15) & low
        tokens = array("Q")
        tokens.frombytes(value.to_bytes(size, order))
        return tokens


def of_key(key: str) -> int:
    """Return the token of an idempotency key, which may be shortened to 16 characters."""
    return of_keys([key])[0]


def of_keys(keys: Sequence[str]) -> array[int]:
    """Return the tokens of several keys."""
    short = short_keys(keys)
    words = array("I", short)
    if sys.byteorder == "little":
        words.byteswap()
    return array("Q", words[::2])


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

    def __init__(self, buckets: int) -> None:
        self._buckets: list[list[int]] = [[] for _ in range(buckets)]
        self._shift = 33 - buckets.bit_length()

    def add(self, tokens: Sequence[int], numbers: Sequence[int]) -> None:
        """Add tokens, each of the event with the number at the same place."""
        buckets, shift = self._buckets, self._shift
        for token, number in zip(tokens, numbers, strict=True):
            buckets[token >> shift].append((token & 0xFFFFFF) << 16 | number)

    def packed(self) -> Iterator[tuple[int, bytes]]:
        """Yield each bucket that has entries, with its number."""
        for bucket, values in enumerate(self._buckets):
            if values:
                yield bucket, pack_values(sorted(values))


def pack_values(values: list[int]) -> bytes:
    """Return sorted entries, column by column: the first bytes of all entries, then the second, and so on."""
    data = _little_endian(array("Q", values)).tobytes()
    return compress(b"".join(data[column::8] for column in range(_BYTES)))


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
    return _little_endian(values)


def numbers_of(token: int, values: array[int]) -> Iterator[int]:
    """Yield the numbers of the events that have a token, in rising order. values: its bucket."""
    rest = token & 0xFFFFFF
    for place in range(bisect_left(values, rest << 16), len(values)):
        if values[place] >> 16 != rest:
            return
        yield values[place] & 0xFFFF


def _little_endian(values: array[int]) -> array[int]:
    if sys.byteorder == "big":
        values.byteswap()
    return values
