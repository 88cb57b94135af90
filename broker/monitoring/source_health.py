"""What became of a source's webhooks last: one hash a source, `source:{name}`.

Accepting writes it once a batch, refusing about once a second. `failing` are answers that are our fault (5xx),
`refused` those that are the sender's (4xx: a wrong signature, a strange address); both since the last 2xx.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole


class SourceFacts(Struct, frozen=True, kw_only=True):
    """The hash; its fields are called so too. Times are ms since 1970, 0 for never."""

    watched_since_ms: int = 0
    """When a worker first looked at it."""

    last_accepted_ms: int = 0

    failing_since_ms: int = 0
    failing_last_ms: int = 0
    failing_answers: int = 0
    failing_status: int = 0
    """5xx since the last 2xx: the first, the last, how many (about), and which the last was."""

    refused_since_ms: int = 0
    refused_last_ms: int = 0
    refused_answers: int = 0
    refused_status: int = 0
    """The same of 4xx. Strangers can cause these."""

    outage_since_ms: int = 0
    outage_until_ms: int = 0
    outage_answers: int = 0
    """The last row of 5xx that a 2xx ended."""


class Streak(Struct, frozen=True):
    """Webhooks of one source that one receiver answered with an error, by its clock."""

    source: str
    kind: Literal["failing", "refused"]
    first_ms: int
    last_ms: int
    answers: int
    status: int
    """That of the last."""


async def note_failures(redis: Client, streaks: Sequence[Streak]) -> None:
    """Tell what receivers answered with an error. It may come late: what a 2xx ended meanwhile is over.

    Repeated, it counts the answers twice and changes nothing else. Raises BrokerError.
    """
    rows = [(s.source, s.kind, s.first_ms, s.last_ms, s.answers, s.status) for s in streaks]
    with translated():
        await scripts.NOTE_FAILURES(redis, *(cell for row in rows for cell in row))


async def read_sources(redis: Client, names: Iterable[str]) -> dict[str, SourceFacts]:
    """The facts of these sources. Raises BrokerError."""
    asked = list(names)
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for name in asked:
                pipe.hgetall(redis.names.source + name)
            found = await pipe.execute() if asked else []
    return {name: _facts(row) for name, row in zip(asked, found, strict=True)}


async def watch(redis: Client, names: Iterable[str], *, now_ms: int) -> None:
    """Note since when these sources are watched, where that is not known yet. Raises BrokerError."""
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hsetnx(redis.names.source + name, "watched_since_ms", str(now_ms))
            await pipe.execute()


def _facts(row: dict[bytes, bytes]) -> SourceFacts:
    return SourceFacts(**{field: whole(row.get(field.encode())) for field in SourceFacts.__struct_fields__})
