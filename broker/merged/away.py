"""Asks all partitions, and collects which of them are away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from broker.redis.client import Client
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions, named

T = TypeVar("T")

Away = dict[int, BrokerError]
"""Partitions that did not answer, by their numbers, and why. A function that gets one adds to it and goes on
without them; a function that gets None raises Unavailable."""


async def ask(
    partitions: Partitions, read: Callable[[Client], Awaitable[T]], away: Away | None = None
) -> dict[int, T]:
    """Run `read` for each partition. Returns the answers by the number of the partition, at least one.

    Raises BrokerError if none answers or, without `away`, if one does not answer.
    """
    answers = await ask_all(partitions, read)
    leave_out(answers.away, away)
    return answers.by_partition


def leave_out(missing: Mapping[int, BrokerError], away: Away | None) -> None:
    """Go on without some partitions. Raises Unavailable if `away` is None and any is missing."""
    if missing and away is None:
        raise Unavailable(because(missing))
    if away is not None:
        away.update(missing)


def because(away: Mapping[int, BrokerError], consequence: str = "") -> str:
    """Return which partitions are away and why: `partition 2 is away: connection refused`.

    consequence: a text between the two, for example `, so nothing was done`. away: at least one.
    """
    verb = "is" if len(away) == 1 else "are"
    return f"{named(away)} {verb} away{consequence}: {next(iter(away.values()))}"
