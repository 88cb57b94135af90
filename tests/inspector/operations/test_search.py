"""Finding dead letters: filters, pages, groups."""

import pytest

from broker import dead_letters
from broker.dead_letters import DeadLetterRow, Position
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, search
from inspector.operations.filters import Filter
from inspector.operations.groups.failure_groups import list_groups
from inspector.operations.walk import CursorError
from tests.inspector.stack import (
    BROKEN,
    EVENT,
    TO_CRM,
    accept,
    add_stored,
    all_letters,
    crm,
    make_dead_letters,
    run_action,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.names import KEYS
from tests.redis_server import RedisServer


async def _died_in_every_way(server: RedisServer, redis: Client) -> None:
    """Make dead letters: 1 broken body, 2 of an unknown source with a hint, 3 notifications that a CRM refused."""
    await accept(redis, BROKEN)
    await accept(redis, sample(1), sample(2), source="shop", hint="order.paid")
    await accept(redis, sample(3), sample(4), sample(5))
    async with (
        running_receiver() as refusing,
        running_worker(server, rules=TO_CRM, channels=crm(refusing.url)),
    ):
        refusing.status = 400
        await wait_until_idle(redis)


async def _ids(redis: Client, wanted: Filter) -> set[str]:
    page = await search.find(Partitions([redis]), wanted, limit=100)
    assert page.cursor == ""
    return {entry.letter.id for entry in page.entries}


async def test_each_filter_finds_its_letters_and_filters_combine(redis_server: RedisServer, redis: Client) -> None:
    await _died_in_every_way(redis_server, redis)
    letters = await all_letters(redis)
    fingerprint = next(letter.fingerprint for letter in letters if letter.stage == "notify")

    sizes = [
        len(await _ids(redis, wanted))
        for wanted in (
            Filter(),
            Filter(stage="notify"),
            Filter(source="shop"),
            Filter(reason="undecodable"),
            Filter(reason="permanent"),
            Filter(channel="crm"),
            Filter(rule="to-crm"),
            Filter(event=EVENT),
            Filter(event="order.paid"),
            Filter(fingerprint=fingerprint),
            Filter(source="shop", stage="intake"),
            Filter(source="shop", stage="notify"),
            Filter(fingerprint="nothing"),
        )
    ]

    assert sizes == [6, 3, 2, 1, 3, 3, 3, 3, 2, 3, 2, 0, 0]


async def test_pages_hold_every_dead_letter_once_newest_first(redis_server: RedisServer, redis: Client) -> None:
    """Make ten letters in one step, so that they died in the same millisecond."""
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(10)))
    await make_dead_letters(redis_server, redis, sample(10))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await search.find(Partitions([redis]), Filter(), limit=3, cursor=cursor)
        seen += [entry.letter.id for entry in page.entries]
        cursor = page.cursor
        if not cursor:
            break

    assert len(seen) == 11
    assert seen == [letter.id for letter in await all_letters(redis)]


async def test_a_cursor_stays_valid_when_letters_are_removed_or_added(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(6)))
    order = [letter.id for letter in await all_letters(redis)]
    page = await search.find(Partitions([redis]), Filter(), limit=3)

    await run_action(redis, "discard", [order[0], order[2], order[4]])
    await make_dead_letters(redis_server, redis, sample(6))

    rest = await search.find(Partitions([redis]), Filter(), limit=10, cursor=page.cursor)
    assert [entry.letter.id for entry in rest.entries] == [order[3], order[5]]


async def test_the_cursor_of_any_letter_begins_the_page_after_it(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(4)))
    page = await search.find(Partitions([redis]), Filter())

    rest = await search.find(Partitions([redis]), Filter(), cursor=page.entries[1].cursor)

    assert rest.entries == page.entries[2:]


async def test_a_filter_looks_beyond_the_first_page_of_the_index(redis: Client) -> None:
    stored_letters = [
        dead_letters.died_at_intake(
            RawBody(1, "voucherify", "rare" if number == 0 else "", b"{}"),
            reason="failed",
            error="",
            error_class="E",
        )
        for number in range(450)
    ]
    await add_stored(redis, stored_letters)

    page = await search.find(Partitions([redis]), Filter(event="rare"), limit=1)

    assert [entry.letter.event for entry in page.entries] == ["rare"]


@pytest.mark.parametrize("cursor", ["x", "12", "-abc", "12-", "\u0662-abc", "9" * 30 + "-a"])
async def test_an_invalid_cursor_is_refused(redis: Client, cursor: str) -> None:
    with pytest.raises(CursorError):
        await search.find(Partitions([redis]), Filter(), cursor=cursor)


async def test_a_group_counts_the_letters_of_one_cause(redis_server: RedisServer, redis: Client) -> None:
    await _died_in_every_way(redis_server, redis)

    groups = await list_groups(Partitions([redis]))

    assert sorted((group.count, group.sample.reason) for group in groups) == [
        (1, "undecodable"),
        (2, "unknown source"),
        (3, "permanent"),
    ]
    assert [group.last_ms for group in groups] == sorted((g.last_ms for g in groups), reverse=True)
    for group in groups:
        assert len(await _ids(redis, Filter(fingerprint=group.fingerprint))) == group.count


async def test_a_group_is_removed_with_its_last_dead_letter(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    await run_action(redis, "discard", await bulk_actions.select(Partitions([redis]), Filter()))

    assert await list_groups(Partitions([redis])) == []


@pytest.mark.parametrize("letter_id", ["index", "groups", "group:abc", "", "0" * 17, "*"])
async def test_an_invalid_id_finds_no_dead_letter(redis: Client, letter_id: str) -> None:
    await redis.zadd(KEYS.dead_index, {"x": 1})

    assert await search.get(Partitions([redis]), letter_id) is None
    progress = await run_action(redis, "discard", [letter_id])
    assert (progress.done, progress.missing) == (0, 1)


async def test_a_letter_that_is_removed_while_a_page_is_read_is_skipped(redis: Client) -> None:
    await redis.zadd(KEYS.dead_index, {"0" * 17: 1000})

    assert await dead_letters.read_older(redis, Position(2000, ""), count=5) == [
        DeadLetterRow("0" * 17, 1000, None)
    ]
    assert (await search.find(Partitions([redis]), Filter())).entries == []


async def test_an_attempt_is_kept_with_time_duration_answer_and_error(
    redis_server: RedisServer, redis: Client
) -> None:
    await accept(redis, sample(1))
    async with (
        running_receiver() as refusing,
        running_worker(redis_server, rules=TO_CRM, channels=crm(refusing.url, attempts=2)),
    ):
        refusing.status, refusing.answer = 503, "come back later"
        await wait_until_idle(redis)

    page = await search.find(Partitions([redis]), Filter(reason="exhausted"))
    attempts = page.entries[0].letter.attempts
    assert [(attempt.outcome, attempt.error, attempt.answer) for attempt in attempts] == [
        ("retry", "answered 503", "come back later")
    ] * 2
    assert 0 < attempts[0].at_ms <= attempts[1].at_ms
