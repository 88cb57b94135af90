"""Notifications that rules make of events at intake, without Redis."""

from __future__ import annotations

import json
import time
from typing import Any

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.queue.stream import Entry
from sources import KINDS
from tests.worker.conftest import first_plan
from worker.delivery.next_attempt import NextAttempt, retry_job
from worker.intake.planner import Planner
from worker.rules.idempotency import idempotency_key
from worker.rules.retry import RetrySettings
from worker.rules.rules import RetryOverride, Rule, RuleBook, retry_of
from worker.worker_source import WorkerSource

SOURCES = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}


def rule(name: str = "r", **settings: Any) -> Rule:
    return Rule(**({"name": name, "events": ("*",), "channel": "crm"} | settings))


async def planned(payload: dict[str, Any], *rules: Rule) -> list[tuple[str, Notification]]:
    """Return (channel, notification) for each that intake makes."""
    body = RawBody(int(time.time() * 1000), "voucherify", "order.paid", json.dumps(payload).encode())
    planner = Planner(SOURCES, RuleBook(rules), max_deliveries=3)
    plan = await first_plan(planner, Entry("1-1", 1, batch.encode([body]), 1))
    assert not plan.processed[0].stored_letters
    return [(job.channel, notification) for job in plan.jobs.all for notification in job.notifications]


async def test_a_rule_with_when_notifies_only_where_it_is_true() -> None:
    rules = [
        rule("large", when="points > 100"),
        rule("shop", when="event == 'order.paid' and source == 'voucherify'"),
    ]
    assert [n.rule for _, n in await planned({"points": 100}, *rules)] == ["shop"]
    assert [n.rule for _, n in await planned({"points": 101}, *rules)] == ["large", "shop"]


async def test_a_failing_condition_is_left_to_the_notify_job_and_affects_no_other_notification() -> None:
    rules = [rule("typo", when="pionts > 1"), rule("zero", when="1 // points"), rule("plain")]
    assert [n.rule for _, n in await planned({"points": 0}, *rules)] == ["typo", "zero", "plain"]


async def test_a_rule_that_is_not_enabled_makes_nothing() -> None:
    assert [n.rule for _, n in await planned({}, rule("off", enabled=False), rule("on"))] == ["on"]


async def test_each_of_several_channels_gets_a_notification_with_a_key_of_its_own() -> None:
    made = await planned({"a": 1}, rule(channel=("crm", "mail")), rule("one", channel=("crm",)), rule("two"))
    assert [(channel, n.rule) for channel, n in made if n.rule == "r"] == [("crm", "r"), ("mail", "r")]
    assert len({n.key for _, n in made}) == 4


async def test_a_rule_with_one_channel_keeps_its_keys_whichever_channel_that_is() -> None:
    keys = {(await planned({"a": 1}, rule(channel=channel)))[0][1].key for channel in ("crm", "mail", ("crm",))}
    assert len(keys) == 1
    body = json.dumps({"a": 1}).encode()
    identity = KINDS["voucherify"].decode(body, "order.paid").identity
    assert keys == {idempotency_key("voucherify", identity, "r")}


async def test_a_key_template_makes_the_same_key_of_what_it_renders_alike() -> None:
    keyed = rule(key="{{ order }}-{{ event }}")
    [(_, first)], [(_, second)], [(_, other)] = [
        await planned({"order": order, "at": at}, keyed) for order, at in ((1, 1), (1, 2), (2, 3))
    ]
    assert first.key == second.key != other.key
    [(_, renamed)] = await planned({"order": 1}, rule("renamed", key=keyed.key))
    assert renamed.key != first.key
    several = await planned({"order": 1}, rule(key=keyed.key, channel=("crm", "mail")))
    assert len({first.key, *(n.key for _, n in several)}) == 3


async def test_a_key_that_fails_leaves_the_usual_one() -> None:
    [(_, failed)], [(_, usual)] = await planned({"a": 1}, rule(key="{{ b }}")), await planned({"a": 1}, rule())
    assert failed.key == usual.key


def test_a_rule_overrides_retry_settings_of_its_channel() -> None:
    channel = RetrySettings(attempts=9, horizon_s=100, base_s=3, cap_s=50)
    assert retry_of(rule(), channel) == channel
    assert retry_of(rule(retry=RetryOverride(attempts=2, base_s=1)), channel) == RetrySettings(
        attempts=2, horizon_s=100, base_s=1, cap_s=50
    )


def test_a_postponed_notification_keeps_its_attempts_and_horizon_and_a_retry_uses_both() -> None:
    body = RawBody(0, "s", "", b"")
    job = NotifyJob("crm", 3, 1_000, [Notification("k", "r", "e", body)])
    for attempt, first_try_ms in ((3, 61_000), (4, 1_000)):
        again = retry_job(job, NextAttempt(attempt, 60_000, "retry"), [(0, job.notifications[0])])
        assert (again.job.attempt, again.job.first_try_ms, again.delay_ms) == (attempt, first_try_ms, 60_000)
        assert again.waits_for == "retry"
