"""Drift: how sampled webhooks differ from the models. Each source has one hash, `drift:{source}`.

A field is one deviation of one event name, as a JSON list. Its value is the number of samples that showed it. The
field of an event name alone counts the samples of that name. The hash expires 30 days after the last sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int

MAX_FIELDS = 2000
"""The largest number of fields for one source. A full hash takes no new ones, because senders choose the names."""

KEPT_MS = 30 * 86_400_000


class Deviation(Struct, frozen=True, array_like=True):
    """The name of one field of the hash. Without `what` the field counts the samples of an event name."""

    event: str
    what: str = ""
    """`unknown key`, `missing key`, `changed type`, `unknown event` for a name without a model, or `time ahead`
    for an event time in the future."""

    path: str = ""
    expected: str = ""
    found: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Deviation).decode


async def note(redis: Client, source: str, counts: Mapping[Deviation, int]) -> list[Deviation]:
    """Add counts of deviations. Returns the deviations that are new. Raises BrokerError."""
    pairs: list[str | bytes | int] = []
    for deviation, count in counts.items():
        pairs += (_encode(deviation), count)
    deviations = sum(count for deviation, count in counts.items() if deviation.what)
    with translated():
        fresh = await scripts.NOTE_DRIFT(redis, source, MAX_FIELDS, KEPT_MS, deviations, *pairs)
    return [_decode(field) for field in fresh]  # each of them was encoded above


async def read(redis: Client, sources: Iterable[str]) -> dict[str, dict[Deviation, int]]:
    """Return the deviations of each source, with their counts. Raises BrokerError."""
    with translated():
        return {
            source: dict(_known(await redis.hgetall(redis.names.drift + source)))  # type: ignore[misc]
            for source in sources
        }


def _known(fields: Mapping[bytes, bytes]) -> Iterator[tuple[Deviation, int]]:
    """Yield the fields that can be read."""
    for field, count in fields.items():
        try:
            yield _decode(field), parse_int(count)
        except (ValueError, RecursionError):
            continue
