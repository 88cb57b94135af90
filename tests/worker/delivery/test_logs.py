"""The log of a worker: its amount does not grow with that of the notifications."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from tests.inspector.stack import TO_CRM, accept, crm, running_receiver, running_worker, sample, wait_until_idle
from tests.redis_server import RedisServer
from worker.counters import Counters
from worker.delivery.failures.failure_log import FailureLog
from worker.delivery.next_attempt import log_fields
from worker.work_summary import WorkSummary

COUNT = 200


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[Any]:
    return [one for one in caplog.records if one.name == "hookline.worker" and one.levelno >= level]


@pytest.mark.parametrize(("status", "outcome"), [(200, "sent"), (410, "dead")])
async def test_many_notifications_are_a_few_lines_at_info_and_each_has_one_at_debug(
    redis: Client, redis_server: RedisServer, caplog: pytest.LogCaptureFixture, status: int, outcome: str
) -> None:
    caplog.set_level(logging.DEBUG, "hookline.worker")
    await accept(redis, *map(sample, range(COUNT)))
    async with running_receiver() as target:
        target.status = status
        async with running_worker(redis_server, rules=TO_CRM, channels=crm(target.url)):
            await wait_until_idle(redis)

    assert len(lines(caplog, logging.INFO)) < 20
    summaries = [one for one in lines(caplog, logging.INFO) if one.action == "work_done"]
    assert sum(getattr(one, outcome, 0) for one in summaries) == COUNT
    assert sum(getattr(one, "processed", 0) for one in summaries) == COUNT
    assert sum(one.channels["crm"][outcome] for one in summaries if hasattr(one, "channels")) == COUNT
    single = [one for one in lines(caplog, logging.DEBUG) if one.action == f"notification_{outcome}"]
    assert sum(len(getattr(one, "each", [0])) for one in single) == COUNT


def test_each_cause_of_a_failure_is_seen_once_in_ten_seconds() -> None:
    failures = FailureLog()
    first, again = failures.level(logging.ERROR, "crm", "Http500"), failures.level(logging.ERROR, "crm", "Http500")
    other = failures.level(logging.ERROR, "crm", "Http400")
    assert (first, again, other) == (logging.ERROR, logging.DEBUG, logging.ERROR)


def test_a_summary_has_what_was_done_since_the_last_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hookline.worker")
    counters = Counters()
    summary = WorkSummary(counters)
    assert not summary.log()
    counters.bodies["processed"] += 3
    counters.note_settled("a", "crm", "sent", 2)
    counters.note_settled("b", "mail", "dead")
    assert summary.log() and not summary.log()
    counters.note_settled("a", "crm", "sent")
    assert summary.log()
    assert [record.getMessage() for record in caplog.records] == [
        "webhooks: 3 processed; notifications: 2 sent, 1 dead",
        "notifications: 1 sent",
    ]
    first: Any = caplog.records[0]
    assert first.channels == {"crm": {"sent": 2}, "mail": {"dead": 1}}


def test_a_line_about_a_traced_notification_has_the_id_of_its_trace() -> None:
    traced = RawBody(1, "shop", "", b"{}", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    job = NotifyJob("crm", 1, 0, [])
    assert (
        log_fields(job, Notification("key", "rule", "event", traced))["trace_id"]
        == "4bf92f3577b34da6a3ce929d0e0e4736"
    )
    assert "trace_id" not in log_fields(job, Notification("key", "rule", "event", RawBody(1, "shop", "", b"{}")))
