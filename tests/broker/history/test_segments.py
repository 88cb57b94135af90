"""Sealed segments: nothing is lost or shown twice, whatever is repeated or interrupted."""

import asyncio
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from broker.history import blocks, sealing, token_index
from broker.history.blocks import SealedBlock
from broker.history.columns import events_of, outcomes_of
from broker.history.query import NEWEST, Position, Query, Traced, TracedEvent, position_of
from broker.history.reading import read
from broker.history.records import EventRecord, OutcomeRecord, UnreadableBlockError
from broker.history.sealing import drop_old, read_segments, seal
from broker.history.segment_builder import SegmentBuilder
from broker.history.settings import HistorySettings
from broker.history.tail_blocks import Block
from broker.history.token_index import TOGETHER, Tokens
from broker.queue.batch import compress_quickly, decompress
from broker.redis.client import Client
from tests.broker.history.test_recording import NOW_MS, events, key_of, row, settle_first, states, take_in
from tests.names import KEYS

SETTINGS = HistorySettings()


async def seal_all(redis: Client) -> int:
    """Seal everything, however young. Returns the number of segments."""
    count = 0
    while await seal(redis, SETTINGS, age_ms=-60_000):
        count += 1
    return count


async def test_what_is_sealed_reads_as_before(redis: Client) -> None:
    await take_in(redis, "a", "a", "b", "c")
    await settle_first(
        redis, OutcomeRecord(key_of("a"), "sent", NOW_MS, 12, 202), OutcomeRecord(key_of("a"), "sent", NOW_MS)
    )
    before = await events(redis)
    assert await seal_all(redis) == 1
    assert await redis.xlen(KEYS.history) == 0
    after = await events(redis)
    assert [traced.position for traced in after.events] == [traced.position for traced in before.events]
    assert [traced.states(()) for traced in after.events] == [traced.states(()) for traced in before.events]
    assert after.events[3].notifications[0].outcomes[0].status == 202
    assert after.end is None


def test_sealing_takes_memory_for_its_rows_or_for_its_index_and_not_for_both() -> None:
    builder = SegmentBuilder(Tokens(b"key"), 0)
    for step in range(64):
        names = [f"order_{step}_{number}" for number in range(64)]
        rows = [(*row(name)[:4], [f"{name}_{n}" for n in range(8)], *row(name)[5:]) for name in names]
        outcomes = [OutcomeRecord(key_of(name), "sent", NOW_MS + step) for name in names]
        builder.add(f"{NOW_MS + step}-0", Block(events_of(rows)))
        builder.add(f"{NOW_MS + step}-1", Block(outcomes=outcomes_of([structs.astuple(one) for one in outcomes])))
    tracemalloc.start()
    try:
        *_, segment = builder.steps()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert segment is not None
    assert segment.info.rows == 4096
    assert peak < 650 * 4096


async def test_keys_of_the_history_expire(redis: Client) -> None:
    await take_in(redis, "a")
    await seal_all(redis)
    for key in await redis.keys(KEYS.history + ":*"):
        assert 7 * 86_400 < await redis.ttl(key) <= 8 * 86_400


async def test_young_blocks_are_not_sealed(redis: Client) -> None:
    await take_in(redis, "a")
    assert await seal(redis, SETTINGS) == 0
    assert await redis.xlen(KEYS.history) == 1


async def test_too_many_blocks_are_sealed_at_any_age(redis: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MAX_BLOCKS", 4)
    monkeypatch.setattr(sealing, "_LEFT_BLOCKS", 2)
    for name in "abcde":
        await take_in(redis, name)
    assert await seal(redis, SETTINGS) == 3
    assert await redis.xlen(KEYS.history) == 2
    assert list(states(await events(redis))) == ["e", "d", "c", "b", "a"]


async def test_two_workers_that_seal_at_once_lose_nothing(redis: Client) -> None:
    for name in "abc":
        await take_in(redis, name)
    sealed = await asyncio.gather(*(seal(redis, SETTINGS, age_ms=-60_000) for _ in range(3)))
    assert sorted(sealed) == [0, 0, 3]
    assert list(states(await events(redis))) == ["c", "b", "a"]


async def test_sealing_again_after_a_lost_answer_changes_nothing(redis: Client) -> None:
    await take_in(redis, "a")
    stale = await redis.xrange(KEYS.history)
    await seal_all(redis)
    await take_in(redis, "b")
    assert [entry_id for entry_id, _ in stale] != [entry_id for entry_id, _ in await redis.xrange(KEYS.history)]
    assert await seal_all(redis) == 1
    assert await seal_all(redis) == 0
    assert list(states(await events(redis))) == ["b", "a"]


async def test_an_outcome_that_comes_after_its_event_was_sealed_is_shown(redis: Client) -> None:
    await take_in(redis, "a", "b")
    await seal_all(redis)
    await settle_first(redis, OutcomeRecord(key_of("a"), "retry", NOW_MS, 1, 503, "answered 503", NOW_MS + 5))
    assert states(await events(redis)) == {"a": "retrying", "b": "queued"}
    await seal_all(redis)
    page = await events(redis)
    assert states(page) == {"a": "retrying", "b": "queued"}
    assert page.events[1].notifications[0].outcomes[0].next_ms == NOW_MS + 5
    assert list(states(await events(redis, states=frozenset(["retrying"])))) == ["a"]


async def test_pages_go_on_from_the_tail_into_segments(redis: Client) -> None:
    names = "abcdefgh"
    for place, name in enumerate(names):
        await take_in(redis, name)
        if place in (2, 4):
            await seal_all(redis)
    found, before = [], NEWEST
    while True:
        page = await events(redis, limit=3, before=before)
        found += [traced.event.id for traced in page.events]
        if page.end is None:
            break
        before = position_of(str(page.end))
    assert "".join(found) == names[::-1]


async def test_segments_are_searched_by_term_and_by_key(redis: Client) -> None:
    for name in ("a", "b"):
        await take_in(redis, name)
        await seal_all(redis)
    assert list(states(await events(redis, terms=frozenset(["ada@example.com"])))) == ["b", "a"]
    assert list(states(await events(redis, terms=frozenset(["a"])))) == ["a"]
    assert not (await events(redis, terms=frozenset(["absent"]))).events
    key = (await events(redis)).events[1].notifications[0].key
    assert list(states(await events(redis, terms=frozenset([key])))) == ["a"]


async def test_filters_and_times_narrow_segments(redis: Client) -> None:
    await take_in(redis, "a")
    await seal_all(redis)
    for query in (
        {"source": "other"},
        {"rule": "other"},
        {"states": frozenset(["dead"])},
        {"since_ms": NOW_MS + 3_600_000},
        {"until_ms": NOW_MS - 3_600_000},
    ):
        assert not (await events(redis, **query)).events, query
    assert list(states(await events(redis, rule="rule", until_ms=NOW_MS + 3_600_000))) == ["a"]


async def test_segments_beyond_their_age_or_size_are_removed(redis: Client) -> None:
    for name in "abc":
        await take_in(redis, name)
        await seal_all(redis)
    newest, *_ = await read_segments(redis)
    assert await drop_old(redis, SETTINGS, partitions=1) == 0
    small = HistorySettings(max_mb=1)
    assert await drop_old(redis, small, partitions=1_000_000 // (newest.size + 1)) == 2
    assert list(states(await events(redis))) == ["c"]
    a_day_later = HistorySettings(keep_days=-1)
    assert await drop_old(redis, a_day_later, partitions=1) == 1
    assert await redis.keys(KEYS.history + ":*") == []


async def test_a_segment_that_is_gone_or_garbage_is_passed_over(redis: Client) -> None:
    for name in "abc":
        await take_in(redis, name)
        await seal_all(redis)
    newest, middle, _ = await read_segments(redis)
    await redis.hset(KEYS.history_segment + newest.id, mapping={"b0": b"garbage", "t0": b"garbage"})
    await redis.delete(KEYS.history_segment + middle.id)
    await redis.hset(KEYS.history_segments, mapping={"x": b"garbage"})
    assert list(states(await events(redis))) == ["a"]
    assert list(states(await events(redis, terms=frozenset(["ada@example.com"])))) == ["a"]
    await take_in(redis, "d")
    assert await seal_all(redis) == 1


async def test_a_page_that_takes_too_long_says_how_far_it_searched(redis: Client) -> None:
    for name in "abc":
        await take_in(redis, name)
        await seal_all(redis)
    query, before = Query(states=frozenset(["dead"])), NEWEST
    steps = 0
    while True:
        page = await read(redis, query, before=before, limit=9, budget_s=0)
        steps += 1
        if page.end is None:
            break
        assert page.end < before
        before = page.end
    assert steps >= 3


texts = st.text(max_size=12)
times = st.integers(0, 2**41)
small = st.integers(0, 1000)
outcome_rows = st.builds(
    OutcomeRecord,
    key=st.just(""),
    kind=st.sampled_from(["sent", "skipped", "dead", "retry", "later"]),
    at_ms=times,
    took_ms=small,
    status=small,
    text=texts,
    next_ms=times,
    letter=texts,
)
notifications = st.builds(
    Traced,
    rule=texts,
    channel=texts,
    key=st.binary(min_size=8, max_size=8).map(bytes.hex),
    outcomes=st.lists(outcome_rows, max_size=3),
)
traced_events = st.builds(
    TracedEvent,
    position=st.builds(Position, times, small, small, st.just(3)),
    fate=st.sampled_from(["n", "d", "r"]),
    event=st.builds(
        EventRecord,
        received_at_ms=times,
        source=texts,
        event=texts,
        id=texts,
        letter=texts,
        members=small,
    ),
    notifications=st.lists(notifications, max_size=3),
    about=texts,
)


@given(st.lists(traced_events, min_size=1, max_size=12))
def test_a_block_holds_every_event_exactly(rows: list[TracedEvent]) -> None:
    found = list(SealedBlock(blocks.packed(rows)))
    assert [traced.position for traced in found] == [traced.position for traced in rows]
    for added, same in zip(rows, found, strict=True):
        assert (same.event, same.fate, same.about) == (added.event, added.fate, added.about)
        for one, other in zip(added.notifications, same.notifications, strict=True):
            assert (one.rule, one.channel, one.key) == (other.rule, other.channel, other.key)
            assert [(o.kind, o.at_ms, o.text, o.next_ms, o.letter) for o in one.outcomes] == [
                (o.kind, o.at_ms, o.text, o.next_ms, o.letter) for o in other.outcomes
            ]


def test_a_block_of_an_earlier_version_has_no_ids_beside_those_of_events() -> None:
    row = TracedEvent(Position(1, 0, 0, 0), "n", EventRecord(1, "shop", "order.paid", "ev_1"), (), "cust_1")
    columns = msgspec.msgpack.decode(decompress(blocks.packed([row])))
    [found] = SealedBlock(compress_quickly(msgspec.msgpack.encode(columns[:-1])))
    assert (found.event.id, found.about) == ("ev_1", "")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_block_raise_one_error_only(data: bytes) -> None:
    for blob in (data, compress_quickly(data)):
        with pytest.raises(UnreadableBlockError):
            SealedBlock(blob)


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 65_535)), max_size=300), st.integers(0, 20_000)
)
def test_the_index_finds_exactly_what_was_added(entries: list[tuple[int, int]], rows: int) -> None:
    buckets = token_index.buckets_for(rows)
    index = token_index.IndexBuilder(buckets)
    for token, number in entries:
        index.add(token.to_bytes(8, "little"), number // TOGETHER * TOGETHER, bytes([number % TOGETHER]))
    packed = dict(index.packed())
    for token, _ in entries:
        values = token_index.unpack_values(packed[token_index.bucket_of(token, buckets)])
        found = list(token_index.numbers_of(token, values))
        # With few buckets, the first byte of a token may be lost.
        expected = [
            n
            for t, n in entries
            if t & 0xFFFFFF == token & 0xFFFFFF and t * buckets >> 32 == token * buckets >> 32
        ]
        assert found == sorted(expected)
