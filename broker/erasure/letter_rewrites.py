"""Removes a person's data from dead letters, where they are stored and where others are compressed against them.

Each change is one step in Redis. It happens only where the letter still is what was read. All functions raise
BrokerError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from broker.dead_letters import StoredDeadLetter, packed
from broker.dead_letters.packing import repacked
from broker.erasure import scripts
from broker.erasure.queued_work import key_text, unpacked
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import Blobs, as_text

IsIn = Callable[[bytes], bool]
"""Returns whether bytes that cannot be decoded contain the person's id or address."""


async def seen(redis: Client, ids: Sequence[str]) -> dict[str, str]:
    """Return a hash of each dead letter that exists, by id. It shows later whether a letter has changed since."""
    with translated():
        blobs = await redis.mget([redis.names.dead + name for name in ids])
    rows = zip(ids, blobs, strict=True)
    return {name: hashlib.sha1(blob, usedforsecurity=False).hexdigest() for name, blob in rows if blob}


async def replace_dead_letter(redis: Client, stored_letter: StoredDeadLetter, as_seen: str) -> bool:
    """Replace the body of a dead letter. Returns False if the letter is gone or has changed.

    as_seen: the hash from `seen`.
    """
    blobs = Blobs()
    letter = packed(stored_letter, blobs.place)
    with translated():
        return bool(
            await scripts.REPLACE_DEAD_LETTER(redis, id=letter.id, sha1=as_seen, letter=letter, blobs=blobs.all)
        )


async def dictionaries(redis: Client, is_in: IsIn) -> list[str]:
    """Return the ids of the compression dictionaries that contain the person."""
    with translated():
        names = [key_text(name) for name in await redis.hkeys(redis.names.dead_dicts)]  # type: ignore[misc]
        blobs = [await redis.get(redis.names.dead_dict + name) for name in names]
    return [name for name, blob in zip(names, blobs, strict=True) if blob and is_in(unpacked(blob))]


async def repack(
    redis: Client, dictionary: str, letters: Sequence[StoredDeadLetter], as_seen: Mapping[str, str]
) -> int:
    """Compress letters again without their dictionary, so that it can be removed.

    as_seen: the hashes from `seen`. Returns how many of the letters used the dictionary. This includes
    letters that have changed since they were read: they stay as they are, for another run.
    """
    named = [stored_letter for stored_letter in letters if stored_letter.letter.id in as_seen]
    parts = [
        (stored_letter.letter.id, as_seen[stored_letter.letter.id], *map(as_text, repacked(stored_letter)))
        for stored_letter in named
    ]
    with translated():
        return int(await scripts.REPACK(redis, dictionary=dictionary, letters=parts))
