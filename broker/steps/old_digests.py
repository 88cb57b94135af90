"""Takes in windows of digests as earlier versions wrote them, each event by itself in a list.

Workers of such a version may run beside this one during an upgrade, and add events to such windows. Each becomes a
window of this version, which ends at the same time.
"""

from __future__ import annotations

from broker import dead_letters
from broker.dead_letters.packing import ADDING
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from broker.steps.digest_packs import CLOSING, UnreadablePackError, packs_of, unpacked_alone

_TAKE_IN = Script(
    "steps/digests/take_in_old_digest",
    parts=(FULL, COUNTERS, ADDING, CLOSING),
    keys=("digests", "digests_counted", "digests_ends", "digest:digest"),
    args=(
        "digest",
        "first",
        "last",
        "taken: number",
        "id",
        "channels: number",
        "packs: packed",
        "letters: packed",
    ),
    rest="blobs",
)
_FORGET = Script(
    "steps/digests/forget_old_digest",
    parts=(FULL, COUNTERS),
    keys=("digests", "digests_counted", "digest:digest"),
    args=("digest",),
)


async def take_in(redis: Client, *, count: int) -> int:
    """Take in up to `count` windows, or their first events, and return how many. Safe to repeat.

    Raises BrokerError.
    """
    with translated():
        names = await redis.zrange(redis.names.digests, 0, count - 1)
    for name in names:
        # A name that is not UTF-8 was written by another program. With surrogateescape the driver encodes it to
        # the same bytes again, so that it can be removed.
        await _take_in(redis, name.decode("utf-8", "surrogateescape"))
    return len(names)


async def take_in_all(redis: Client) -> None:
    """Take in all windows. Raises BrokerError."""
    while await take_in(redis, count=100):
        pass


async def _take_in(redis: Client, digest: str) -> None:
    with translated():
        stored = await redis.lrange(redis.names.digest + digest, 0, keys.DIGEST_MAX - 1)  # type: ignore[misc]
        if not stored:
            await _FORGET(redis, digest=digest)
            return
    blobs, events, letters = Blobs(), [], []
    for blob in stored:
        try:
            events.append(unpacked_alone(blob))
        except UnreadablePackError as error:
            letters.append(dead_letters.packed(dead_letters.unreadable_member(blob, str(error)), blobs.place))
    packs = packs_of(events, blobs)
    with translated():
        await _TAKE_IN(
            redis,
            digest=digest,
            first=stored[0],
            last=stored[-1],
            taken=len(stored),
            id=id_of(digest),
            channels=len(events[0].channels) if events else 0,
            packs=packs,
            letters=letters,
            blobs=blobs.all,
        )


def id_of(digest: str) -> bytes:
    """Return the bytes of a digest's id; for a name that another program wrote, bytes that no digest has."""
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return digest.encode("utf-8", "surrogateescape")
