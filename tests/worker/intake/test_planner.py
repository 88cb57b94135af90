"""Plans that are made from stream entries, without Redis."""

import time

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.jobs import MAX_NOTIFICATIONS
from broker.queue.stream import Entry
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import connect_all
from sources import KINDS
from tests.worker.conftest import first_plan, webhook
from worker.intake.homes import Homes
from worker.intake.planner import Planner
from worker.rules.idempotency import idempotency_key
from worker.rules.rules import DEFAULT_RULES, Rule, RuleBook
from worker.worker_source import WorkerSource

NOW_MS = int(time.time() * 1000)
SOURCES = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}


def planner(*rules: Rule) -> Planner:
    return Planner(SOURCES, RuleBook(rules or DEFAULT_RULES), max_deliveries=3)


def entry(*bodies: bytes, deliveries: int = 1, hint: str = "") -> Entry:
    raw = [RawBody(NOW_MS, "voucherify", hint, body) for body in bodies]
    return Entry("1-1", len(raw), batch.encode(raw), deliveries)


async def test_every_event_gets_the_notifications_of_the_rules_that_match() -> None:
    rules = [
        Rule(name=name, events=(glob,), channel="console") for name, glob in (("a", "x.*"), ("b", "*"), ("c", "y"))
    ]
    plan = await first_plan(planner(*rules), entry(b'{"n":1}', hint="x.y"))
    assert [n.rule for n in plan.jobs.all[0].notifications] == ["a", "b"]


async def test_a_job_carries_one_channel_and_at_most_64_notifications() -> None:
    rules = [Rule(name=channel, events=("*",), channel=channel) for channel in ("one", "two")]
    plan = await first_plan(
        planner(*rules),
        entry(*(webhook(n) for n in range(70))),
        entry(*(webhook(n) for n in range(70, 100))),
    )
    sizes = {(job.channel, len(job.notifications)) for job in plan.jobs.all}
    assert sizes == {("one", MAX_NOTIFICATIONS), ("one", 36), ("two", MAX_NOTIFICATIONS), ("two", 36)}


async def test_the_shares_of_the_events_cover_each_job_exactly() -> None:
    plan = await first_plan(planner(), entry(*(webhook(n) for n in range(100))))
    covered = [
        (share.job, index)
        for event in plan.processed[0].events
        for share in event.shares
        for index in range(share.first, share.first + share.count)
    ]
    expected = [(place, i) for place, job in enumerate(plan.jobs.all, 1) for i in range(len(job.notifications))]
    assert sorted(covered) == expected


async def test_a_large_body_does_not_share_its_job() -> None:
    large = b'{"x":"' + b"a" * 200_000 + b'"}'
    plan = await first_plan(planner(Rule(name="all", events=("*",), channel="c")), entry(large, large + b" "))
    assert [len(job.notifications) for job in plan.jobs.all] == [1, 1]


def test_the_key_depends_on_source_event_and_rule_alone() -> None:
    key = idempotency_key("s", "id", "rule")
    assert key == idempotency_key("s", "id", "rule")
    assert (
        len(
            {
                key,
                idempotency_key("t", "id", "rule"),
                idempotency_key("s", "io", "rule"),
                idempotency_key("s", "id", "r"),
            }
        )
        == 4
    )


async def test_a_batch_that_wore_out_its_deliveries_is_split_and_not_decoded() -> None:
    plan = await first_plan(planner(), entry(webhook(1), webhook(2), deliveries=4))
    [split] = plan.split
    assert (split.entry.id, [len(bodies) for bodies in split.batches]) == ("1-1", [1, 1])
    assert plan.processed == []


async def test_a_single_body_that_wore_out_its_deliveries_is_poison() -> None:
    body = webhook(1)
    plan = await first_plan(planner(), entry(body, deliveries=4))
    [stored_letter] = plan.processed[0].stored_letters
    assert (stored_letter.letter.reason, stored_letter.body) == ("poison", body)


async def test_a_batch_of_a_newer_format_is_a_dead_letter_after_the_grace_period_and_not_before() -> None:
    newer = Entry("1-1", 5, b"format from the future", deliveries=40)
    plan = await first_plan(planner(), newer)
    assert not plan.processed
    [unrecognized] = plan.unrecognized
    [stored_letter] = unrecognized.otherwise.stored_letters
    assert unrecognized.entry == newer
    assert (stored_letter.letter.reason, stored_letter.letter.bodies, stored_letter.body) == (
        "unreadable",
        5,
        newer.blob,
    )


async def test_a_batch_of_an_unknown_source_is_dead_letters_after_the_grace_period_and_not_before() -> None:
    bodies = [RawBody(NOW_MS, "new-shop", "", webhook(n)) for n in range(2)]
    plan = await first_plan(planner(), Entry("1-1", 2, batch.encode(bodies)))
    assert not plan.processed
    [unrecognized] = plan.unrecognized
    letters = [stored_letter.letter for stored_letter in unrecognized.otherwise.stored_letters]
    assert [(letter.reason, letter.error) for letter in letters] == [
        ("unknown source", "no source named 'new-shop' in this worker's config")
    ] * 2


async def test_one_commit_keeps_as_dead_letters_only_so_many() -> None:
    """Dead letters of a commit are limited, because Redis serves no other client while it stores them."""
    broken = entry(*(b"{%d" % n for n in range(40)))

    plan = await first_plan(planner(), *[broken] * 10)

    assert sum(len(processed.stored_letters) for processed in plan.processed) == 40
    assert len(plan.entry_ids()) == 1


async def test_one_step_processes_only_so_many_events_in_one_partition() -> None:
    """Each of them occupies Redis, and a plan for several partitions has several steps."""
    entries = [entry(*(webhook(n) for n in range(start, start + 64))) for start in range(0, 1280, 64)]

    plan = await first_plan(planner(), *entries)
    assert [len(processed.events) for processed in plan.processed] == [64] * 4

    homes = Homes(connect_all(RedisSettings(url="redis://localhost", partitions=2)), 0)
    plan = await anext(planner().plans(entries, homes))
    steps = [sum(len(processed.events) for processed in plan.processed), plan.elsewhere[1].events()]
    assert 256 <= max(steps) < 320
    assert len(plan.entry_ids()) > 4


async def test_an_identity_that_is_only_a_hash_is_remembered_for_the_provider_s_retries_and_no_longer() -> None:
    booked = b'{"transaction":{"id":"vtx_1"}}'
    for window_days, hashed_s in ((7, 25 * 3600), (1, 24 * 3600)):
        sources = {"voucherify": WorkerSource(KINDS["voucherify"], window_days)}
        plan = await first_plan(
            Planner(sources, RuleBook(DEFAULT_RULES), max_deliveries=3), entry(b'{"n":1}', booked)
        )
        windows_ms = [event.mark.window_ms for event in plan.processed[0].events]
        assert windows_ms == [hashed_s * 1000, window_days * 86_400_000]


async def test_one_recorded_request_is_one_event_however_it_is_sent_again() -> None:
    raw = b'{"customer":{"id":"cust_1","object":"customer"},"segment":{"id":"seg_1","object":"segment"}}'
    again = [raw, *(b" " * blanks + raw for blanks in range(1, 6)), b"\xef\xbb\xbf" + raw]
    plan = await first_plan(planner(), entry(*again, hint="customer.segment.entered"))
    assert len({event.mark.member for event in plan.processed[0].events}) == 1
