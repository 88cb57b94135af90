"""Drift: how sampled webhooks differ from the models. Each source has one hash, `drift:{source}`.

A field is one deviation of one event name, as a JSON list. Its value is the number of samples that showed it. The
field of an event name alone counts the samples of that name. The hash expires 30 days after the last sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import COUNTERS, Script, as_text

MAX_FIELDS = 2000
"""The largest number of fields for one source. A full hash takes no new ones, because senders choose the names."""

KEPT_MS = 30 * 86_400_000


_NOTE_DRIFT = Script(
    "monitoring/note_drift",
    parts=(COUNTERS,),
    keys=("drift:source",),
    args=("source", "most_fields: number", "kept_ms: number", "deviations: number", "counts: packed"),
)


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
    pairs = [(as_text(_encode(deviation)), count) for deviation, count in counts.items()]
    deviations = sum(count for deviation, count in counts.items() if deviation.what)
    with translated():
        fresh = await _NOTE_DRIFT(
            redis, source=source, most_fields=MAX_FIELDS, kept_ms=KEPT_MS, deviations=deviations, counts=pairs
        )
    return [_decode(field) for field in fresh]  # those that were given


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
