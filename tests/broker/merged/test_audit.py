"""The audit log of several partitions reads like one."""

from __future__ import annotations

import msgspec
import pytest

from broker.merged import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from tests.redis_server import RedisServer


async def add(redis: Client, position: str, what: str) -> None:
    await redis.xadd(redis.names.audit, {"d": msgspec.msgpack.encode(AuditEntry("ann", what))}, id=position)


async def pages(partitions: Partitions, *, count: int) -> list[str]:
    seen: list[str] = []
    before = ""
    while entries := (await audit.read(partitions, before=before, count=count)).entries:
        seen += [entry.audit_entry.what for entry in entries]
        before = entries[-1].id
        assert audit.is_position(before)
    return seen


async def test_entries_of_all_partitions_are_listed_newest_first(three_partitions: Partitions) -> None:
    for number, position in ((1, "5-0"), (0, "7-0"), (2, "6-0"), (1, "8-0")):
        await add(three_partitions[number], position, position)
    entries = (await audit.read(three_partitions)).entries
    assert [entry.id for entry in entries] == ["8-0-1", "7-0-0", "6-0-2", "5-0-1"]
    assert [entry.at_ms for entry in entries] == [8, 7, 6, 5]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 100])
async def test_pages_list_each_entry_once_although_ids_are_equal_in_several_partitions(
    three_partitions: Partitions, count: int
) -> None:
    for number in range(3):
        for position in ("5-0", "5-1", *(["6-0"] if number == 2 else []), "9-0"):
            await add(three_partitions[number], position, f"{position} in {number}")
    assert await pages(three_partitions, count=count) == [
        *(f"9-0 in {number}" for number in (2, 1, 0)),
        "6-0 in 2",
        *(f"5-1 in {number}" for number in (2, 1, 0)),
        *(f"5-0 in {number}" for number in (2, 1, 0)),
    ]


async def test_a_single_partition_has_the_positions_of_its_stream(partitions: Partitions) -> None:
    await add(partitions.control, "5-0", "login")
    await add(partitions.control, "6-0", "pause")
    [newest] = (await audit.read(partitions, count=1)).entries
    assert newest.id == "6-0"
    assert [entry.id for entry in (await audit.read(partitions, before="6-0")).entries] == ["5-0"]


async def test_a_partition_that_is_away_is_named(spread_partitions: Partitions, own_redis: RedisServer) -> None:
    await add(spread_partitions[2], "5-0", "pause")
    own_redis.kill()
    page = await audit.read(spread_partitions)
    assert [entry.id for entry in page.entries] == ["5-0-2"]
    assert isinstance(page.away[1], Unavailable)
