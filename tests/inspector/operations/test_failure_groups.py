"""Different causes are different failure groups, among dead letters and in dry runs; the log quotes no payload."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions
from inspector.operations.filters import Filter
from inspector.operations.groups.failure_groups import list_groups
from sources import KINDS
from sources.voucherify import VOUCHERIFY
from tests.inspector.stack import EVENT, accept, all_letters, running_worker, wait_until_idle
from tests.redis_server import RedisServer
from worker.channels.settings import ConsoleSettings
from worker.preview.dry_run import DryRunner
from worker.rules.rules import Rule
from worker.worker_source import WorkerSource

CREATED = "customer.created"


def rule(name: str, event: str, text: str, *, when: str = "") -> Rule:
    return Rule(name=name, events=(event,), channel="console", text=text, when=when)


RULES = (
    rule("welcome", CREATED, "Welcome {{ nmae }}"),
    rule("points", EVENT, "{{ balance.pionts }} points"),
    rule("second line", EVENT, "Hello\n{{ balance.pionts }} points"),
    rule("condition", EVENT, "Hello", when="balance.pionts > 1"),
)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The log lines of Hookline, with all their fields."""
    logger, text = logging.getLogger("hookline"), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(_Everything())
    logger.addHandler(handler)
    yield text
    logger.removeHandler(handler)


class _Everything(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.getMessage()} {vars(record)}"


async def die(server: RedisServer, redis: Client, *rules: Rule) -> None:
    """Create two customers, and add points for two others; all notifications become dead letters."""
    created = [VOUCHERIFY.sample(number, CREATED) for number in (1, 2)]
    points = [VOUCHERIFY.sample(number, EVENT) for number in (3, 4)]
    await accept(redis, *created, *points)
    async with running_worker(server, rules=rules):
        await wait_until_idle(redis)


async def test_two_rules_with_the_same_kind_of_error_are_two_failure_groups(
    redis_server: RedisServer, redis: Client
) -> None:
    await die(redis_server, redis, *RULES)

    groups = await list_groups(Partitions([redis]))

    assert {(group.sample.rule, group.sample.event, group.sample.path, group.count) for group in groups} == {
        ("welcome", CREATED, "text line 1", 2),
        ("points", EVENT, "text line 1", 2),
        ("second line", EVENT, "text line 2", 2),
        ("condition", EVENT, "when line 1", 2),
    }
    for group in groups:
        assert {dimensions.rule for dimensions in group.dimensions} == {group.sample.rule}


async def test_one_rule_that_fails_at_two_events_is_two_failure_groups(
    redis_server: RedisServer, redis: Client
) -> None:
    await die(redis_server, redis, rule("all", "*", "{{ nmae }}"))

    assert sorted(group.sample.event for group in await list_groups(Partitions([redis]))) == [CREATED, EVENT]


async def test_a_dry_run_counts_each_cause_with_its_own_error(redis_server: RedisServer, redis: Client) -> None:
    await die(redis_server, redis, *RULES)
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    dry_run = DryRunner(sources, RULES, {"console": ConsoleSettings()}).of
    chosen = await bulk_actions.select(Partitions([redis]), Filter())

    action = await bulk_actions.begin(Partitions([redis]), "dry_run", chosen, by="ann", owner="me")
    done = [step async for step in bulk_actions.run(Partitions([redis]), action, owner="me", dry_run=dry_run)][-1]

    assert (done.passed, done.failed) == (0, 8)
    fingerprints = {letter.rule: letter.fingerprint for letter in await all_letters(redis)}
    rows = {why.fingerprint: why for why in done.causes}
    assert rows.keys() == set(fingerprints.values())
    for name, fingerprint in fingerprints.items():
        assert rows[fingerprint].count == 2
        assert f"of rule '{name}': " in rows[fingerprint].error


async def test_the_log_line_of_a_died_notification_holds_no_value_of_the_payload(
    redis_server: RedisServer, redis: Client, logged: io.StringIO
) -> None:
    await die(redis_server, redis, rule("quotes", EVENT, "Hello\n{{ {}[customer.email] }} {{ customer.name }}"))

    [one, other] = await all_letters(redis)
    assert "member3@example.com" in one.error + other.error
    assert "notification died: RenderError in text line 2" in logged.getvalue()
    for number in (3, 4):
        customer = VOUCHERIFY.view(VOUCHERIFY.sample(number, EVENT))["customer"]
        assert customer["email"] not in logged.getvalue()
        assert customer["name"] not in logged.getvalue()
