"""How Redis stores a dead letter: compressed, with an earlier letter of the same group as the dictionary.

The letters of a failure group are alike. A process compresses the first letter of a group that it stores without a
dictionary, and remembers it. Later letters name that one as their dictionary. Redis keeps a dictionary for as long
as any letter needs it. A body of 2.6 KB takes about 250 bytes this way.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import zstandard
from cachetools import LRUCache, TTLCache
from msgspec import Struct
from zstandard import DICT_TYPE_RAWCONTENT, ZstdCompressionDict, ZstdCompressor, ZstdDecompressor

from broker.dead_letters.dead_letter import DeadLetter, Note, StoredDeadLetter, dimensions_of
from broker.queue import batch
from broker.redis.scripting.scripts import BASE, Part

_LEVEL = 9
_MAX_DICTIONARY_BYTES = 64 * 1024
_GROUPS = 128
# A dictionary contains the personal data of a letter. After a person is erased, no process may use it for longer.
_USED_S = 3600
"""For how many seconds a process uses a dictionary."""

_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_SEED = secrets.token_hex(16)
"""The proposed key for hashing search terms. Redis takes it only if it has none yet (`dead:find:key`)."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DeadLetter).decode
_decode_notes = msgspec.msgpack.Decoder(tuple[Note, ...]).decode

Place = Callable[[bytes], int]
"""Adds a blob to a call, and returns its index there: see `broker.redis.scripting.scripts.Blobs`."""


class PackedLetter(NamedTuple):
    """A dead letter as scripts get it. The last four are indices of blobs."""

    id: str
    bodies: int
    fingerprint: str
    dimensions_id: str
    dictionary_id: str
    """Empty where it is packed without a dictionary."""

    terms: tuple[str, ...]
    seed: str
    dimensions: int
    letter: int
    body: int
    dictionary: int


FINDING = Part("dead_letters/terms/finding", parts=(BASE,), keys=("dead_find_key",))
BLOCKS = Part("dead_letters/terms/blocks", parts=(BASE,), keys=("dead_blocks",))
_INDEXING = Part("dead_letters/terms/indexing", parts=(FINDING, BLOCKS), keys=("dead_index",))
_UNINDEXING = Part("dead_letters/terms/unindexing", parts=(BLOCKS,))
READING = Part("dead_letters/reading", parts=(BASE,), keys=("dead_index",))
ADDING = Part(
    "dead_letters/adding",
    parts=(BASE, _INDEXING),
    keys=("dead_dimensions", "dead_dicts", "dead_groups", "dead_news", "dead_unreported"),
    records={"LETTER": PackedLetter},
)
REMOVING = Part(
    "dead_letters/removing",
    parts=(BASE, READING, _UNINDEXING),
    keys=("dead_index", "dead_dimensions", "dead_dicts", "dead_to_retry"),
)


class _Dictionary(Struct, frozen=True):
    id: str
    packed: bytes
    compressor: ZstdCompressor


# Making a dictionary takes longer than compressing a body. zstandard's objects serve one thread each.
class _Known(threading.local):
    """The dictionaries that this thread uses again."""

    def __init__(self) -> None:
        self.by_group: TTLCache[str, _Dictionary] = TTLCache(_GROUPS, ttl=_USED_S)
        self.by_id: LRUCache[str, ZstdDecompressor] = LRUCache(_GROUPS)


_known = _Known()


def packed(stored_letter: StoredDeadLetter, place: Place, *, now_ms: int = 0) -> PackedLetter:
    """A dead letter in the form that broker/dead_letters/lua/adding.lua reads. Its blobs go to `place`.

    A letter without a time of death gets `now_ms`.
    """
    letter = stored_letter.letter
    if not letter.died_at_ms:
        letter = msgspec.structs.replace(letter, died_at_ms=now_ms)
    dimensions, encoded = dimensions_of(letter), _encode(letter)
    dictionary = _known.by_group.get(letter.fingerprint)
    if dictionary is None:
        _known.by_group[letter.fingerprint] = _dictionary(encoded + stored_letter.body)
        blobs = (batch.compress(encoded), batch.compress(stored_letter.body), b"")
    else:
        pack = dictionary.compressor.compress
        blobs = (pack(encoded), pack(stored_letter.body), dictionary.packed)
    return PackedLetter(
        letter.id,
        letter.bodies,
        letter.fingerprint,
        dimensions.id,
        dictionary.id if dictionary else "",
        stored_letter.terms,
        _SEED,
        place(_encode(dimensions)),
        *(place(blob) for blob in blobs),
    )


def moved(
    letter: DeadLetter,
    terms: Sequence[str],
    place: Place,
    *,
    letter_blob: bytes,
    body_blob: bytes,
    dictionary_id: str,
    dictionary_blob: bytes,
) -> PackedLetter:
    """Return a dead letter of another partition as `packed` does, with its blobs as they are compressed there."""
    dimensions = dimensions_of(letter)
    return PackedLetter(
        letter.id,
        letter.bodies,
        letter.fingerprint,
        dimensions.id,
        dictionary_id,
        tuple(terms),
        _SEED,
        place(_encode(dimensions)),
        place(letter_blob),
        place(body_blob),
        place(dictionary_blob),
    )


def repacked(stored_letter: StoredDeadLetter) -> tuple[bytes, bytes]:
    """Return (letter, body) as Redis stores them without a dictionary."""
    return batch.compress(_encode(stored_letter.letter)), batch.compress(stored_letter.body)


def unpacked_letter(blob: bytes, dictionary: str, dictionaries: Mapping[str, bytes]) -> DeadLetter:
    """Return the letter that `packed` compressed.

    Raises ValueError or ZstdError for other bytes, and KeyError if the dictionary is missing.
    """
    return _decode(_decompressed(blob, dictionary, dictionaries))


def unpacked_body(blob: bytes, dictionary: str, dictionaries: Mapping[str, bytes]) -> bytes:
    """Return the body that `packed` compressed. Raises the same errors as `unpacked_letter`."""
    return _decompressed(blob, dictionary, dictionaries)


def unpacked_notes(blob: bytes) -> tuple[Note, ...]:
    """Return the comments of people, oldest first; () for an empty blob. Raises ValueError for other bytes."""
    return _decode_notes(blob) if blob else ()


def _dictionary(raw: bytes) -> _Dictionary:
    raw = raw[:_MAX_DICTIONARY_BYTES]
    content = ZstdCompressionDict(raw, dict_type=DICT_TYPE_RAWCONTENT)
    content.precompute_compress(level=_LEVEL)
    return _Dictionary(
        id=hashlib.blake2b(raw, digest_size=6).hexdigest(),
        packed=batch.compress(raw),
        compressor=ZstdCompressor(level=_LEVEL, dict_data=content, write_dict_id=False),
    )


def _decompressed(blob: bytes, dictionary: str, dictionaries: Mapping[str, bytes]) -> bytes:
    if not dictionary:
        return batch.decompress(blob)
    decompressor = _known.by_id.get(dictionary)
    if decompressor is None:
        content = ZstdCompressionDict(batch.decompress(dictionaries[dictionary]), dict_type=DICT_TYPE_RAWCONTENT)
        decompressor = _known.by_id[dictionary] = ZstdDecompressor(dict_data=content)
    if zstandard.frame_content_size(blob) > _MAX_UNPACKED_BYTES:
        raise ValueError("unpacks to more than 64 MiB")
    return decompressor.decompress(blob, max_output_size=_MAX_UNPACKED_BYTES)
