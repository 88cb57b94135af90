"""The recent responses to the webhooks of a source. Each source has one hash, `source:{name}`.

A batch of accepted webhooks updates it once, and errors update it about once a second. `failing` counts responses
with 5xx, which are Hookline's fault. `refused` counts responses with 4xx, which are the client's fault, such as a
wrong signature or address. Both count from the last 2xx on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import BASE, Part, Script

OUTAGE = Part("monitoring/outage", parts=(BASE,))


class SourceFacts(Struct, frozen=True, kw_only=True):
    """The content of the hash, with the same field names. Times are ms since 1970; 0 means never."""

    watched_since_ms: int = 0
    """When a worker first checked the source."""

    last_accepted_ms: int = 0

    failing_since_ms: int = 0
    failing_last_ms: int = 0
    failing_answers: int = 0
    failing_status: int = 0
    """The 5xx responses since the last 2xx: first time, last time, approximate number and last status."""

    refused_since_ms: int = 0
    refused_last_ms: int = 0
    refused_answers: int = 0
    refused_status: int = 0
    """The 4xx responses since the last 2xx, with the same fields. Any client can cause them."""

    outage_since_ms: int = 0
    outage_until_ms: int = 0
    outage_answers: int = 0
    """The last series of 5xx responses that ended with a 2xx."""


# The keys of the sources are those of a list, which the script makes itself; set_aside names the partition.
_NOTE_FAILURES = Script(
    "monitoring/note_failures", parts=(OUTAGE,), keys=("set_aside",), args=("streaks: packed",)
)
_END_FAILURES = Script("monitoring/end_failures", parts=(OUTAGE,), keys=("set_aside",), args=("accepted: packed",))


class Streak(Struct, frozen=True):
    """Consecutive errors with which one receiver answered webhooks of one source.

    Times are by the clock of the receiver's host.
    """

    source: str
    kind: Literal["failing", "refused"]
    first_ms: int
    last_ms: int
    answers: int
    status: int
    """The HTTP status of the last error."""


async def note_failures(redis: Client, streaks: Sequence[Streak]) -> None:
    """Record errors with which receivers answered. A streak that a later 2xx has ended counts as an outage.

    If this is repeated, only the number of responses is counted twice. Raises BrokerError.
    """
    rows = [(s.source, s.kind, s.first_ms, s.last_ms, s.answers, s.status) for s in streaks]
    with translated():
        await _NOTE_FAILURES(redis, streaks=rows)


async def end_failures(redis: Client, accepted_ms: Mapping[str, int]) -> None:
    """End the errors after which webhooks were accepted in another partition. Safe to repeat. Raises BrokerError.

    accepted_ms: by source, when a webhook was last accepted.
    """
    with translated():
        await _END_FAILURES(redis, accepted=list(accepted_ms.items()))


async def read_sources(redis: Client, names: Iterable[str]) -> dict[str, SourceFacts]:
    """Return the facts of these sources, by name. Raises BrokerError."""
    sources = list(names)
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for name in sources:
                pipe.hgetall(redis.names.source + name)
            rows = await pipe.execute() if sources else []
    return {name: _facts(row) for name, row in zip(sources, rows, strict=True)}


async def watch(redis: Client, names: Iterable[str], *, now_ms: int) -> None:
    """Record when the monitoring of these sources started, unless it is recorded already. Raises BrokerError."""
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hsetnx(redis.names.source + name, "watched_since_ms", str(now_ms))
            await pipe.execute()


def _facts(row: dict[bytes, bytes]) -> SourceFacts:
    return SourceFacts(**{field: parse_int(row.get(field.encode())) for field in SourceFacts.__struct_fields__})
