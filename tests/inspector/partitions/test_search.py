"""Dead letters of several partitions are found, counted and grouped as if they were in one."""

from __future__ import annotations

import asyncio

import pytest

from broker import dead_letters
from broker.merged.away import Away
from broker.monitoring import audit
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from inspector.operations import search, single_letter
from inspector.operations.filters import Filter
from inspector.operations.groups.failure_groups import list_groups
from inspector.operations.walk import walk
from tests.inspector.partitions.letters import NOW_MS, add, assert_sums_hold, broken, refused, spread
from tests.redis_server import RedisServer


async def pages(partitions: Partitions, wanted: Filter, *, limit: int) -> list[list[str]]:
    """Return the ids on all pages."""
    cursor, found = "", list[list[str]]()
    while True:
        page = await search.find(partitions, wanted, limit=limit, cursor=cursor)
        found.append([entry.letter.id for entry in page.entries])
        cursor = page.cursor
        if not cursor:
            return found


@pytest.mark.parametrize("limit", [1, 4, 50])
async def test_pages_show_each_letter_once_newest_first(three_partitions: Partitions, limit: int) -> None:
    ids = await spread(three_partitions, 20)
    shown = await pages(three_partitions, Filter(), limit=limit)
    assert [name for page in shown for name in page] == ids
    assert all(len(page) == limit for page in shown[:-1])


async def test_letters_of_one_moment_are_ordered_by_id(three_partitions: Partitions) -> None:
    ids = sorted(await spread(three_partitions, 12, apart_ms=0), reverse=True)
    assert [name for page in await pages(three_partitions, Filter(), limit=5) for name in page] == ids


async def test_pages_of_a_filter_and_of_a_search_are_merged(three_partitions: Partitions) -> None:
    ids = await spread(three_partitions, 20)
    paid = [name for page in await pages(three_partitions, Filter(event="order.paid"), limit=3) for name in page]
    assert paid == ids[::2]
    searched = [name for page in await pages(three_partitions, Filter(search="ALL"), limit=3) for name in page]
    assert searched == sorted(ids, reverse=True)
    assert await pages(three_partitions, Filter(search="n7"), limit=3) == [[ids[-8]]]
    assert await pages(three_partitions, Filter(search=ids[3]), limit=3) == [[ids[3]]]


async def test_a_letter_that_comes_or_goes_between_two_pages_hides_and_repeats_no_other(
    three_partitions: Partitions,
) -> None:
    ids = await spread(three_partitions, 12)
    first = await search.find(three_partitions, Filter(), limit=5)
    for redis in three_partitions:
        await dead_letters.discard(redis, [entry.letter for entry in first.entries])
    await add(three_partitions[1], [broken(99)], [NOW_MS])
    second = await search.find(three_partitions, Filter(), limit=50, cursor=first.cursor)
    assert [entry.letter.id for entry in second.entries] == ids[5:]


async def test_all_letters_in_one_partition_are_paged_too(three_partitions: Partitions) -> None:
    letters = [broken(number) for number in range(60)]
    ids = await add(three_partitions[2], letters, [NOW_MS - 1000 + number for number in range(60)])
    page = await search.find(three_partitions, Filter(), limit=59)
    assert [entry.letter.id for entry in page.entries] == ids[:0:-1]


async def test_counts_values_and_groups_are_added_up(three_partitions: Partitions) -> None:
    await spread(three_partitions, 10)
    await add(three_partitions[0], [refused(1)], [NOW_MS - 5])
    assert await search.count(three_partitions, Filter()) == 11
    assert await search.count(three_partitions, Filter(search="all")) == 10
    assert (await search.choices(three_partitions)).by_field["event"] == {"order.created": 5, "order.paid": 6}
    groups = await list_groups(three_partitions)
    assert [(group.sample.stage, group.count, sum(group.hours)) for group in groups] == [
        ("notify", 1, 1),
        ("intake", 5, 5),
        ("intake", 5, 5),
    ]
    assert groups[1].last_ms - groups[1].first_ms == 80
    assert groups[1].sample.died_at_ms == groups[1].last_ms or groups[1].sample.event == "order.paid"


async def test_a_letter_is_found_and_changed_in_its_partition(three_partitions: Partitions) -> None:
    [letter_id] = await add(three_partitions[2], [refused(1)], [NOW_MS])
    assert (await search.get(three_partitions, letter_id)) is not None
    assert await single_letter.add_note(three_partitions, letter_id, "checked", by="ann")
    shown = await single_letter.reveal(three_partitions, letter_id, by="ann")
    assert shown and [note.text for note in shown.notes] == ["checked"]
    assert await single_letter.replay_edited(three_partitions, letter_id, b"{}", by="ann")
    entries = [[entry.audit_entry.what for entry in await audit.read(redis)] for redis in three_partitions]
    assert entries == [[], [], ["edit", "reveal", "annotate"]]
    await assert_sums_hold(three_partitions)


async def test_an_id_that_no_partition_has_is_unknown(three_partitions: Partitions) -> None:
    assert await search.get(three_partitions, "0" * 17) is None
    assert not await single_letter.add_note(three_partitions, "0" * 17, "checked", by="ann")
    assert await search.get_letters(three_partitions, ["0" * 17, "no id"]) == []


async def test_a_list_goes_on_without_a_partition_that_is_away_and_names_it(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    ids = await spread(spread_partitions, 9)
    own_redis.kill()
    away: Away = {}
    page = await search.find(spread_partitions, Filter(), limit=50, away=away)
    assert [entry.letter.id for entry in page.entries] == [name for name in ids if name not in ids[1::3]]
    assert list(away) == [1]
    assert await search.count(spread_partitions, Filter(), away={}) == 6
    with pytest.raises(Unavailable, match="partition 1 is away"):
        await search.count(spread_partitions, Filter())


async def test_a_letter_that_may_be_in_a_partition_that_is_away_is_not_called_unknown(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    ids = await spread(spread_partitions, 3)
    own_redis.kill()
    assert await search.get(spread_partitions, ids[0])
    with pytest.raises(Unavailable, match="partition 1 is away, and the dead letter may be there"):
        await search.get(spread_partitions, ids[1])


async def test_a_partition_that_freezes_between_two_reads_is_left_out(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    ids = await spread(spread_partitions, 60)
    away: Away = {}
    shown = []
    async for _, row in walk(spread_partitions, Filter(), dead_letters.NEWEST, page=3, away=away):
        shown.append(row.id)
        if len(shown) == 3:
            await asyncio.to_thread(own_redis.kill)
    assert list(away) == [1]
    assert [name for name in shown if name in ids[0::3] or name in ids[2::3]] == [
        name for name in ids if name not in ids[1::3]
    ]
