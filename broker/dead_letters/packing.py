"""How a dead letter lies in Redis: those of a group are alike, so most are packed against an earlier one.

The first letter of a group that a process buries is packed for itself and remembered; later ones name it as their
dictionary, which Redis keeps for as long as any letter needs it. A 2.6 KB body comes to about 250 bytes so.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping

import msgspec
import zstandard
from cachetools import LRUCache, TTLCache
from msgspec import Struct
from zstandard import DICT_TYPE_RAWCONTENT, ZstdCompressionDict, ZstdCompressor, ZstdDecompressor

from broker.dead_letters.dead_letter import DeadLetter, Note, StoredDeadLetter, dimensions_of
from broker.queue import batch

_LEVEL = 9
_MAX_DICTIONARY_BYTES = 64 * 1024
_GROUPS = 128
_USED_S = 3600
"""A dictionary is a letter, somebody's data: once that is to be forgotten nobody packs against it for longer."""

_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_SEED = secrets.token_hex(16)
"""What the tokens of a Redis that has no key for them yet are hashed with."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DeadLetter).decode
_decode_notes = msgspec.msgpack.Decoder(tuple[Note, ...]).decode

Place = Callable[[bytes], int]
"""Takes a blob along, and tells its place in ARGV."""


class _Dictionary(Struct, frozen=True):
    id: str
    packed: bytes
    compressor: ZstdCompressor


class _Known(threading.local):
    """Dictionaries to use again: making one takes longer than packing a body."""

    def __init__(self) -> None:
        self.by_group: TTLCache[str, _Dictionary] = TTLCache(_GROUPS, ttl=_USED_S)
        self.by_id: LRUCache[str, ZstdDecompressor] = LRUCache(_GROUPS)


_known = _Known()


def packed(stored_letter: StoredDeadLetter, place: Place, *, now_ms: int = 0) -> tuple[object, ...]:
    """A dead letter in the form that broker/lua/dead_letters.lua reads. Its blobs go to `place`.

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
    return (
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


def repacked(stored_letter: StoredDeadLetter) -> tuple[bytes, bytes]:
    """(letter, body) as they lie in Redis without a dictionary."""
    return batch.compress(_encode(stored_letter.letter)), batch.compress(stored_letter.body)


def unpacked_letter(blob: bytes, dictionary: str, dictionaries: Mapping[str, bytes]) -> DeadLetter:
    """The letter that `packed` packed."""
    return _decode(_decompressed(blob, dictionary, dictionaries))


def unpacked_body(blob: bytes, dictionary: str, dictionaries: Mapping[str, bytes]) -> bytes:
    """The body that `packed` packed."""
    return _decompressed(blob, dictionary, dictionaries)


def unpacked_notes(blob: bytes) -> tuple[Note, ...]:
    """What people noted."""
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
