"""What samples of webhooks showed that the models do not know: one hash a source, `drift:{source}`.

A field is one deviation of one event name, as a JSON list, its value how many samples showed it; the field of an
event name alone counts its samples. Kept for 30 days after the last sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole

MAX_FIELDS = 2000
"""Deviations that are kept for a source: names come from outside."""

KEPT_MS = 30 * 86_400_000


class Deviation(Struct, frozen=True, array_like=True):
    """One field. Without `what` it stands for the samples of an event name."""

    event: str
    what: str = ""
    """`unknown key`, `missing key`, `changed type`, `unknown event` for a name that has no model, `time ahead` for
    an own time that lies in the future."""

    path: str = ""
    expected: str = ""
    found: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Deviation).decode


async def note(redis: Client, source: str, counts: Mapping[Deviation, int]) -> list[Deviation]:
    """Add counts; returns the deviations that were not known yet. Raises BrokerError."""
    pairs: list[str | bytes | int] = []
    for deviation, count in counts.items():
        pairs += (_encode(deviation), count)
    deviations = sum(count for deviation, count in counts.items() if deviation.what)
    with translated():
        fresh = await scripts.NOTE_DRIFT(redis, source, MAX_FIELDS, KEPT_MS, deviations, *pairs)
    return [_decode(field) for field in fresh]  # those that were given


async def read(redis: Client, sources: Iterable[str]) -> dict[str, dict[Deviation, int]]:
    """What is known of each source. Raises BrokerError."""
    with translated():
        return {
            source: dict(_known(await redis.hgetall(redis.names.drift + source)))  # type: ignore[misc]
            for source in sources
        }


def _known(found: Mapping[bytes, bytes]) -> Iterator[tuple[Deviation, int]]:
    """Without the fields that nobody can read."""
    for field, count in found.items():
        try:
            yield _decode(field), whole(count)
        except (ValueError, RecursionError):
            continue
