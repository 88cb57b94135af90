"""The audit log of all partitions: each has the entries about what was changed in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry, StoredAuditEntry
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions

_POSITION = re.compile(r"([0-9]{1,15}-[0-9]{1,15})(?:-([0-9]{1,3}))?")


class AuditPage(NamedTuple):
    """Some entries of the log, newest first."""

    entries: list[StoredAuditEntry]
    """The ids contain the number of the partition if there are several: `ms-number-partition`."""

    away: Mapping[int, BrokerError]
    """Partitions whose entries are missing, and why."""


def is_position(text: str) -> bool:
    """Return True if a text has the form of a position in the log."""
    return _POSITION.fullmatch(text) is not None


async def read(partitions: Partitions, *, before: str = "", count: int = 50) -> AuditPage:
    """Return up to `count` audit entries of all partitions, newest first. Raises BrokerError if none answers.

    before: the id of an entry; only older ones are returned. The default is to start at the newest entry.
    """
    position = _POSITION.fullmatch(before)
    place, last_partition = (position[1], int(position[2] or 0)) if position else ("", 0)

    async def read_one(redis: Client) -> list[StoredAuditEntry]:
        # Entries with equal ids are in the order of their partitions, the highest number first.
        including = bool(place) and redis.partition < last_partition
        return await audit.read(redis, before=place, count=count, including=including)

    answers = await ask_all(partitions, read_one)
    if len(partitions) == 1:
        return AuditPage(answers.by_partition[0], {})
    entries = [
        (_order(entry.id), number, entry) for number, page in answers.by_partition.items() for entry in page
    ]
    entries.sort(key=lambda item: item[:2], reverse=True)
    return AuditPage(
        [msgspec.structs.replace(entry, id=f"{entry.id}-{number}") for _, number, entry in entries[:count]],
        answers.away,
    )


async def record(partitions: Partitions, entry: AuditEntry) -> None:
    """Write an audit entry about no particular partition. Raises BrokerError if no partition answers.

    It goes into the control partition, or into the next one that answers.
    """
    errors = list[BrokerError]()
    for redis in partitions:
        try:
            await audit.record(redis, entry)
        except BrokerError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def _order(position: str) -> tuple[int, int]:
    ms, _, number = position.partition("-")
    return int(ms), int(number)
