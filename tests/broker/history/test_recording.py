"""The rows that steps append to the history, once and twice."""

import time

from msgspec import structs

from broker.history.query import NEWEST, HistoryPage, Query, position_of
from broker.history.reading import read
from broker.history.records import EventRow, OutcomeRecord
from broker.queue import dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.steps.apply import AppliedBatch, apply
from broker.steps.commit import NewEvent, Processed, Share, commit
from broker.steps.settle import Settled
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.settling import settle
from worker.rules.idempotency import idempotency_key

NOW_MS = int(time.time() * 1000)
BODY = RawBody(NOW_MS, "voucherify", "", b"{}")
ME = "worker-1"


def key_of(name: str) -> str:
    """Return the idempotency key of an event's notification."""
    return idempotency_key("voucherify", name, "rule")


def row(name: str) -> EventRow:
    notification = ("rule", "console", key_of(name))
    return NOW_MS, "voucherify", "points.added", name, [name, "Ada@Example.com"], [notification], "", 0


def event(name: str, *shares: Share) -> NewEvent:
    mark = dedupe.mark("voucherify", name, occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)
    return NewEvent(mark, list(shares))


def job(*names: str) -> NotifyJob:
    return NotifyJob("console", 1, NOW_MS, [Notification(key_of(name), "rule", "event", BODY) for name in names])


async def entry(redis: Client, bodies: int) -> str:
    await stream.create_group(redis)
    await stream.append(redis, [BODY] * bodies, Confirmation())
    return (await stream.read(redis, ME, count=1, block_ms=1))[0].id


async def take_in(redis: Client, *names: str) -> Processed:
    """Commit these events, each with one notification in one job."""
    events = [event(name, Share(1, place, 1)) for place, name in enumerate(names)]
    processed = Processed(
        await entry(redis, len(names)), len(names), events, [], records=[row(name) for name in names]
    )
    await commit(redis, [processed], [job(*names)])
    return processed


async def events(redis: Client, limit: int = 100, **query: object) -> HistoryPage:
    before = query.pop("before", NEWEST)
    return await read(redis, Query(**query), before=before, limit=limit, budget_s=9)  # type: ignore[arg-type]


def states(page: HistoryPage) -> dict[str, str]:
    return {traced.event.id: ", ".join(traced.states(())) for traced in page.events}


async def test_a_commit_records_each_event_with_its_notifications(redis: Client) -> None:
    await take_in(redis, "a", "b")
    page = await events(redis)
    assert [traced.event.id for traced in page.events] == ["b", "a"]
    assert [each.key for each in page.events[1].notifications] == [key_of("a")]
    assert states(page) == {"a": "queued", "b": "queued"}
    assert 0 < await redis.ttl(KEYS.history) <= 30 * 86_400


async def test_a_commit_that_runs_twice_records_nothing_the_second_time(redis: Client) -> None:
    processed = await take_in(redis, "a", "b")
    await commit(redis, [processed], [job("a", "b")])
    assert await redis.xlen(KEYS.history) == 1


async def test_an_entry_that_another_worker_committed_is_left_out_of_a_later_commit(redis: Client) -> None:
    theirs = await take_in(redis, "a")
    mine = Processed(await entry(redis, 1), 1, [event("b", Share(1, 0, 1))], [], records=[row("b")])
    await commit(redis, [theirs, mine], [job("b")])
    assert [traced.event.id for traced in (await events(redis)).events] == ["b", "a"]


async def test_a_duplicate_is_recorded_as_one_and_has_no_notifications(redis: Client) -> None:
    await take_in(redis, "a", "a", "b")
    page = await events(redis)
    assert [sorted(traced.states(())) for traced in page.events] == [["queued"], ["duplicate"], ["queued"]]
    assert not page.events[1].notifications


async def test_a_step_at_another_home_records_its_events_once(redis: Client) -> None:
    batches = [AppliedBatch("3/1-0", [event("a", Share(1, 0, 1))], [0], records=[row("a")])]
    for _ in range(2):
        await apply(redis, batches, [job("a")])
    assert states(await events(redis)) == {"a": "queued"}


def of(place: int, outcome: OutcomeRecord) -> Settled:
    return Settled(place, outcome.kind, record=structs.astuple(outcome))  # type: ignore[arg-type]


async def settle_first(redis: Client, *outcomes: OutcomeRecord, times: int = 1) -> None:
    [job_id] = await claim(redis, ME, count=1, lease_ms=60_000)
    for _ in range(times):
        settled = [of(place, outcome) for place, outcome in enumerate(outcomes)]
        await settle(redis, ME, job_id, settled)


async def test_an_outcome_is_recorded_once_even_if_the_answer_is_lost(redis: Client) -> None:
    await take_in(redis, "a", "b", "c")
    sent = OutcomeRecord(key_of("a"), "sent", NOW_MS, 12, 202)
    skipped = OutcomeRecord(key_of("b"), "skipped", NOW_MS)
    await settle_first(redis, sent, skipped, times=2)
    page = await events(redis)
    assert states(page) == {"a": "sent", "b": "skipped", "c": "queued"}
    [outcome] = page.events[2].notifications[0].outcomes
    assert structs.replace(outcome, key=sent.key) == sent
    assert await redis.xlen(KEYS.history) == 2


async def test_of_outcomes_that_were_recorded_in_part_only_the_others_are_added(redis: Client) -> None:
    await take_in(redis, "a", "b", "c")
    [job_id] = await claim(redis, ME, count=1, lease_ms=60_000)
    first, second = (OutcomeRecord(key_of(name), "sent", NOW_MS, 12) for name in "ab")
    await settle(redis, ME, job_id, [of(0, first)])
    await settle(redis, ME, job_id, [of(0, first), of(1, second)])
    page = await events(redis)
    assert [len(traced.notifications[0].outcomes) for traced in page.events] == [0, 1, 1]


async def test_without_rows_nothing_is_appended(redis: Client) -> None:
    processed = Processed(await entry(redis, 1), 1, [event("a", Share(1, 0, 1))], [])
    await commit(redis, [processed], [job("a")])
    [job_id] = await claim(redis, ME, count=1, lease_ms=60_000)
    await settle(redis, ME, job_id, [Settled(0, "sent")])
    assert not await redis.exists(KEYS.history)


async def test_a_page_continues_where_the_last_one_ended(redis: Client) -> None:
    for name in "abcde":
        await take_in(redis, name)
    found, before = [], NEWEST
    while True:
        page = await events(redis, limit=2, before=before)
        found += [traced.event.id for traced in page.events]
        if page.end is None:
            break
        before = position_of(str(page.end))
    assert found == ["e", "d", "c", "b", "a"]


async def test_events_are_found_by_their_terms_and_keys(redis: Client) -> None:
    key = "0123456789abcdef" * 2
    await take_in(redis, "a")
    processed = Processed(await entry(redis, 1), 1, [event("b")], [], records=[
        (NOW_MS, "voucherify", "points.added", "b", ["b"], [("rule", "console", key)], "", 0)
    ])  # fmt: skip
    await commit(redis, [processed], [])
    for term, expected in (("ada@example.com", "a"), ("b", "b"), (key, "b"), (key[:16], "b")):
        assert list(states(await events(redis, terms=frozenset([term])))) == [expected]
    assert not (await events(redis, terms=frozenset(["c"]))).events


async def test_events_are_filtered_by_source_name_rule_channel_state_and_time(redis: Client) -> None:
    await take_in(redis, "a", "b")
    await settle_first(redis, OutcomeRecord(key_of("a"), "sent", NOW_MS))
    for query in (
        {"source": "other"},
        {"event": "other"},
        {"rule": "other"},
        {"channel": "other"},
        {"states": frozenset(["dead"])},
        {"since_ms": NOW_MS + 3_600_000},
        {"until_ms": NOW_MS - 3_600_000},
    ):
        assert not (await events(redis, **query)).events, query
    assert list(states(await events(redis, states=frozenset(["sent"])))) == ["a"]
    assert list(states(await events(redis, rule="rule", channel="console", source="voucherify"))) == ["b", "a"]


async def test_an_open_notification_of_a_channel_that_sends_nothing_is_held(redis: Client) -> None:
    await take_in(redis, "a")
    assert list(states(await events(redis, states=frozenset(["held"]), held=frozenset(["console"])))) == ["a"]
    assert not (await events(redis, states=frozenset(["held"]))).events


async def test_blocks_that_this_version_cannot_read_are_passed_over(redis: Client) -> None:
    await take_in(redis, "a")
    for fields in ({"ec": b"garbage"}, {"x": b"1"}, {"oc": b"\x28\xb5\x2f\xfd", "f": b"n"}):
        await redis.xadd(KEYS.history, fields)  # type: ignore[arg-type]
    await take_in(redis, "b")
    assert list(states(await events(redis))) == ["b", "a"]


async def test_jobs_are_not_changed_by_the_rows(redis: Client) -> None:
    await take_in(redis, "a")
    [job_id] = await redis.zrange(KEYS.queue, 0, -1)
    stored = jobs.deserialize(await jobs.raw(redis, job_id.decode()))
    assert jobs.decode(stored["a"][0]).notifications == job("a").notifications
