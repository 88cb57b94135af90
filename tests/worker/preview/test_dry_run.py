"""Dry runs: a later replay does what their results say."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from broker import dead_letters
from broker.dead_letters import DeadLetter, StoredDeadLetter
from broker.dead_letters.replay import replay
from broker.queue import batch, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.queue.stream import Entry
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.steps.digests import Gathered
from launcher.composition.dry_runs import dry_run
from launcher.config.config import read
from runtime.dry_run import DryRunResult
from sources import KINDS
from sources.api import Settings as ApiSettings
from sources.secret import Secret
from tests.inspector.stack import accept, running_receiver, wait_until_idle
from tests.redis_server import RedisServer
from tests.worker.conftest import POINTS_ADDED, first_plan, webhook
from tests.worker.dated_events import points_added
from tests.worker.preview.test_explain import BODIES
from worker.channels.settings import (
    AppriseSettings,
    ChannelSettings,
    ConsoleSettings,
    EmailSettings,
    FileSettings,
    HttpSettings,
)
from worker.intake.digests import notifications_of
from worker.intake.planner import Planner
from worker.main import run
from worker.preview.dry_run import DryRunner
from worker.rules.retry import RetrySettings
from worker.rules.rules import DigestSettings, Rule, RuleBook
from worker.settings import Settings
from worker.worker_source import WorkerSource

NOW_MS = int(time.time() * 1000)
KIND = KINDS["voucherify"]
API = ApiSettings(app_id="a", token=Secret("t"))
SOURCES = {"voucherify": WorkerSource(KIND, 7), "asked": WorkerSource(KIND, 7, API)}
SAMPLE: dict[str, Any] = json.loads(webhook(7))
TEXT = "{{ balance.points }} points for {{ customer.name }}"
PLAIN = Rule(name="r", events=("*",), channel="crm", text=TEXT)
MAIL = EmailSettings(host="smtp.invalid", sender="shop@example.com", security="none")
CHANNELS: dict[str, ChannelSettings] = {
    "crm": HttpSettings(url="http://crm.invalid/"),
    "console": ConsoleSettings(),
    "mail": MAIL,
    "sms": AppriseSettings(url=Secret("json://sms.invalid/{to}")),
    "log": FileSettings(path="/tmp/never-written"),
}


def rule(**changes: Any) -> Rule:
    return Rule(**({"name": "r", "events": ("*",), "channel": "crm", "text": TEXT} | changes))


def raw(body: object, *, source: str = "voucherify", hint: str = "") -> RawBody:
    return RawBody(NOW_MS, source, hint, body if isinstance(body, bytes) else json.dumps(body).encode())


def at_intake(
    body: object, *, reason: str = "undecodable", source: str = "voucherify", hint: str = ""
) -> StoredDeadLetter:
    return dead_letters.died_at_intake(
        raw(body, source=source, hint=hint), reason=reason, error="x", error_class="X"
    )


def notification(body: object, *, by: str = "r", source: str = "voucherify") -> Notification:
    return Notification("k" * 32, by, POINTS_ADDED, raw(body, source=source))


def at_notify(
    body: object, *, by: str = "r", channel: str = "crm", source: str = "voucherify"
) -> StoredDeadLetter:
    made = notification(body, by=by, source=source)
    return dead_letters.died_at_notify(made, channel, reason="permanent", error="x", error_class="X")


def masked_dry_run(
    stored_letter: StoredDeadLetter, *rules: Rule, sources: Mapping[str, WorkerSource] = SOURCES
) -> DryRunResult:
    return DryRunner(sources, rules or (PLAIN,), CHANNELS).of(stored_letter)


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_dies_again_as_intake_would_keep_it_or_passes(name: str) -> None:
    body, hint = BODIES[name]
    rules = (PLAIN, rule(name="points", events=("*points_added",), channel="console", key="{{ customer.id }}"))
    entry = Entry("1-1", 1, batch.encode([raw(body, hint=hint)]), 1)
    plan = await first_plan(Planner(SOURCES, RuleBook(rules), max_deliveries=3), entry)

    result = masked_dry_run(at_intake(body, hint=hint), *rules)

    dead_at_intake = [stored_letter.letter for stored_letter in plan.processed[0].stored_letters]
    assert [
        (result.reason, result.error, result.error_class, result.path, result.fingerprint)
        for _ in [result]
        if result.stage == "intake"
    ] == [(dead.reason, dead.error, dead.error_class, dead.path, dead.fingerprint) for dead in dead_at_intake]
    planned = {(job.channel, made.rule, made.key) for job in plan.jobs.all for made in job.notifications}
    assert {(shown.channel, shown.rule, shown.key) for shown in result.notifications} == planned


def test_a_dry_run_shows_the_message_that_the_channel_would_get() -> None:
    letter = rule(
        channel="mail", to="{{ customer.email }}", subject="+{{ balance.points }}", html="<b>{{ 1 }}</b>"
    )

    result = masked_dry_run(at_intake(SAMPLE), letter)

    assert result.passes
    (shown,) = result.notifications
    assert (shown.channel, shown.rule, shown.to) == ("mail", "r", "member7@example.com")
    assert (shown.subject, shown.text, shown.html) == ("+40", "40 points for Bela Okafor", "<b>1</b>")
    assert (shown.error, shown.needs, shown.looks_up) == ("", "", ())


def test_an_event_that_no_rule_matches_passes_without_notifications() -> None:
    for rules in ((rule(events=("moon.*",)),), (rule(when="balance.points > 100"),), (rule(enabled=False),)):
        assert masked_dry_run(at_intake(SAMPLE), *rules) == DryRunResult(passes=True)


def test_only_stale_letters_are_replayed_at_any_age() -> None:
    old = {**SAMPLE, "event": {**SAMPLE["event"], "created_at": "2020-01-01T00:00:00Z"}}
    sources = {"voucherify": WorkerSource(KIND, 7, max_event_age_s=60.0)}

    assert masked_dry_run(at_intake(old, reason=dead_letters.STALE), sources=sources).passes
    result = masked_dry_run(at_intake(old, reason="poison"), sources=sources)
    assert (result.passes, result.reason, result.error_class) == (False, "stale", "StaleEvent")


def test_of_several_notifications_the_failing_one_is_shown_with_the_others() -> None:
    rules = [rule(name=name, text=text) for name, text in (("good", TEXT), ("bad", "{{ balance.pionts }}"))]

    result = masked_dry_run(at_intake(SAMPLE), *rules)

    assert not result.passes
    good, bad = result.notifications
    assert (good.rule, good.error, good.text) == ("good", "", "40 points for Bela Okafor")
    assert (bad.rule, bad.text) == ("bad", "")
    assert bad.error == result.error
    assert "'pionts'" in result.error
    assert (result.stage, result.reason, result.error_class) == ("notify", "render", "RenderError")
    path = "\x1f".join(("bad", "customer.voucher.loyalty_card.points_added", "text line 1"))
    assert result.path == "text line 1"
    assert result.fingerprint == dead_letters.fingerprint("notify", "RenderError", path, "crm")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"text": "{{ customer.nickname }}"}, "has no attribute 'nickname'"),
        ({"subject": "a\nb"}, "it must be one line"),
        ({"when": "customer.nickname == 'A'"}, "has no attribute 'nickname'"),
        ({"key": "{{ customer.nickname }}"}, "has no attribute 'nickname'"),
        ({"latest_only": "customer.nickname"}, "has no attribute 'nickname'"),
        ({"digest": DigestSettings(key="customer.nickname", window="1m")}, "has no attribute 'nickname'"),
        (
            {"digest": DigestSettings(key="customer.id", window="1m"), "text": "{{ evnts }}"},
            "'evnts' is undefined",
        ),
    ],
)
def test_a_template_that_does_not_fit_names_what_is_missing(changes: dict[str, Any], error: str) -> None:
    for stored_letter in (at_intake(SAMPLE), at_notify(SAMPLE)):
        result = masked_dry_run(stored_letter, rule(**changes))
        assert not result.passes
        assert error in result.error
        assert (result.reason, result.error_class) == ("render", "RenderError")


@pytest.mark.parametrize(
    ("channel", "changes", "error_class"),
    [
        ("mail", {"to": "not an address"}, "AddressError"),
        ("mail", {}, "AddressError"),
        ("sms", {"to": "a,b"}, "AddressError"),
        ("sms", {"text": "", "to": "1"}, "Empty"),
        ("crm", {"text": r'{{ "\ud800" }}'}, "UnicodeEncodeError"),
        ("log", {"text": r'{{ "\ud800" }}'}, "UnicodeEncodeError"),
    ],
)
def test_a_message_that_a_channel_refuses_locally_fails(
    channel: str, changes: dict[str, Any], error_class: str
) -> None:
    result = masked_dry_run(at_notify(SAMPLE, channel=channel), rule(channel=channel, **changes))
    assert (result.passes, result.error_class) == (False, error_class)
    assert result.fingerprint == dead_letters.fingerprint("notify", error_class, "", channel)


def test_a_channel_that_cannot_be_opened_fails() -> None:
    channels = {"crm": EmailSettings(host="smtp.invalid", sender="@")}
    result = DryRunner(SOURCES, (PLAIN,), channels).of(at_notify(SAMPLE))
    assert (result.reason, result.error_class) == ("misconfigured", "ChannelError")
    assert result.error.startswith("sender: not an address")


@pytest.mark.parametrize(
    ("stored_letter", "reason", "error"),
    [
        (at_notify(SAMPLE, channel="gone"), "unknown channel", "no channel named 'gone'"),
        (at_notify(SAMPLE, by="gone"), "render", "no rule named 'gone'"),
        (at_notify(SAMPLE, source="gone"), "render", "no source named 'gone'"),
        (at_notify(b"{"), "render", "at $"),
        (at_intake(SAMPLE, source="gone"), "unknown source", "no source named 'gone'"),
    ],
)
def test_a_letter_whose_rule_or_channel_left_the_config_fails(
    stored_letter: StoredDeadLetter, reason: str, error: str
) -> None:
    result = masked_dry_run(stored_letter)
    assert (result.passes, result.reason) == (False, reason)
    assert error in result.error


def test_a_notification_that_its_rule_does_not_want_any_more_passes_and_is_not_sent() -> None:
    assert masked_dry_run(at_notify(SAMPLE), rule(when="balance.points > 100")) == DryRunResult(passes=True)


def test_a_notification_keeps_its_key() -> None:
    (shown,) = masked_dry_run(at_notify(SAMPLE)).notifications
    assert (shown.key, shown.text) == ("k" * 32, "40 points for Bela Okafor")


def test_a_rule_with_a_lookup_passes_and_the_lookup_is_named() -> None:
    asking = rule(enrich=("customer",), text="{{ customer.phone }}")
    for stored_letter in (at_intake(SAMPLE, source="asked"), at_notify(SAMPLE, source="asked")):
        result = masked_dry_run(stored_letter, asking)
        assert result.passes
        (shown,) = result.notifications
        assert shown.looks_up == (f"GET /v1/customers/{SAMPLE['data']['customer']['id']}",)
        assert "'phone'" in shown.needs
        assert shown.text == ""


def test_a_lookup_that_cannot_be_made_fails() -> None:
    asking = rule(enrich=("customer",), text="{{ customer.phone }}")
    without_customer = {**SAMPLE, "data": {"greeting": "hello"}}

    assert masked_dry_run(at_notify(without_customer, source="asked"), asking).reason == "customer unknown"
    assert masked_dry_run(at_notify(SAMPLE), asking).reason == "misconfigured"


def test_an_event_of_a_digest_is_shown_as_a_digest_of_its_own() -> None:
    digest = DigestSettings(key="customer.id", window="1m")
    counting = rule(channel=("crm", "console"), digest=digest, text="{{ events | length }} of {{ customer.name }}")

    result = masked_dry_run(at_intake(SAMPLE), counting)

    assert result.passes
    assert [(shown.channel, shown.digest, shown.text) for shown in result.notifications] == [
        ("crm", True, "1 of Bela Okafor"),
        ("console", True, "1 of Bela Okafor"),
    ]


def test_a_dead_digest_is_shown_with_all_its_events() -> None:
    summing = rule(digest=DigestSettings(key="customer.id", window="1m"), text="{{ events | length }} events")
    events = [Gathered(f"{n}", "r", ("crm",), 60_000, POINTS_ADDED, NOW_MS + n, raw(webhook(n))) for n in range(3)]
    ((_, made),) = notifications_of(events)
    stored_letter = dead_letters.died_at_notify(made, "crm", reason="permanent", error="x", error_class="X")

    result = masked_dry_run(stored_letter, summing)

    assert [(shown.text, shown.key, shown.digest) for shown in result.notifications] == [
        ("3 events", made.key, True)
    ]


def test_a_batch_that_has_become_readable_passes_if_all_its_bodies_do() -> None:
    def unread(*bodies: RawBody) -> StoredDeadLetter:
        return dead_letters.unreadable_batch(batch.encode(list(bodies)), len(bodies), "Array of length 4, got 5")

    assert len(masked_dry_run(unread(raw(webhook(1)), raw(webhook(2)))).notifications) == 2
    result = masked_dry_run(unread(raw(webhook(1)), raw(b"{"), raw(b"nope")))
    assert (result.passes, result.error_class, len(result.notifications)) == (False, "DecodeError", 1)
    assert result.error == masked_dry_run(at_intake(b"{")).error


def test_a_batch_that_still_cannot_be_read_fails_as_it_did() -> None:
    stored_letter = dead_letters.unreadable_batch(b"garbage", 2, "x")
    result = masked_dry_run(stored_letter)
    assert (result.passes, result.reason, result.error_class) == (False, "unreadable", "UnreadableBatchError")
    assert result.fingerprint == stored_letter.letter.fingerprint


def test_a_job_that_has_become_readable_passes_if_all_its_notifications_do() -> None:
    def unread(*made: Notification) -> StoredDeadLetter:
        return dead_letters.unreadable_job("0.2", jobs.encode(NotifyJob("crm", 3, NOW_MS, list(made))), "x")

    result = masked_dry_run(unread(notification(webhook(1)), notification(webhook(2))))
    assert (result.passes, len(result.notifications)) == (True, 2)
    result = masked_dry_run(unread(notification(webhook(1)), notification(webhook(2), by="gone")))
    assert (result.passes, result.reason, len(result.notifications)) == (False, "render", 2)


@pytest.mark.parametrize(
    "blob",
    [
        b"garbage",
        jobs.serialize({"t": None, "f": "notify", "a": (b"x",), "k": {}, "et": 1}),
        jobs.serialize({"t": None, "f": "notify", "a": (), "k": {}, "et": 1}),
        jobs.serialize({"t": None, "f": "notify-2", "a": (b"x",), "k": {}, "et": 1}),
    ],
)
def test_a_job_that_still_cannot_be_read_fails_as_it_did(blob: bytes) -> None:
    stored_letter = dead_letters.unreadable_job("0.1", blob, "x")
    result = masked_dry_run(stored_letter)
    assert (result.passes, result.reason, result.error_class) == (False, "unreadable", "UnreadableJobError")
    assert result.error
    assert result.fingerprint == stored_letter.letter.fingerprint


def test_a_dry_run_of_hundreds_of_letters_is_fast() -> None:
    letter = rule(channel="mail", to="{{ customer.email }}", subject="{{ balance.points }}", html="<b>{{ 1 }}</b>")
    stage = DryRunner(SOURCES, (letter, rule(name="crm", when="balance.points > 1")), CHANNELS)
    stored_letters = [
        stored_letter for n in range(206) for stored_letter in (at_intake(webhook(n)), at_notify(webhook(n)))
    ]
    started = time.thread_time()
    assert all(stage.of(stored_letter).passes for stored_letter in stored_letters)
    assert time.thread_time() - started < 2.0  # 0.4 s


def test_a_config_makes_a_dry_run() -> None:
    tables = {"rules": [{"name": "r", "events": ["*"], "channel": "console", "text": TEXT}]}
    result = dry_run(read(tables, {}))(at_intake(SAMPLE))
    assert [shown.text for shown in result.notifications] == ["40 points for Bela Okafor"]


class Case:
    """A source with the rules that made its letters, and the rules at the time of the replay."""

    def __init__(
        self, *bodies: object, rules: tuple[Rule, ...] = (PLAIN,), then: tuple[Rule, ...] | None = None
    ) -> None:
        self.bodies = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        self.rules = rules
        self.then = rules if then is None else then


WINDOW = DigestSettings(key="customer.id", window="1s")
OLD = {**SAMPLE, "event": {**SAMPLE["event"], "created_at": "2020-01-01T00:00:00Z"}}
CASES = {
    "corrected-channel": Case(webhook(1)),
    "corrected-text": Case(webhook(2), rules=(rule(text="{{ pionts }}"),), then=(rule(to="{{ customer.id }}"),)),
    "still-misspelt": Case(webhook(3), rules=(rule(text="{{ pionts }}"),)),
    "misspelt-by-now": Case(webhook(4), then=(rule(subject="{{ pionts }}"),)),
    "no-longer-wanted": Case(webhook(5), then=(rule(when="balance.points > 100"),)),
    "rule-gone": Case(webhook(6), then=()),
    "channel-gone": Case(webhook(7), rules=(rule(channel="gone"),)),
    "no-recipient": Case(webhook(8), rules=(rule(channel="mail"),)),
    "not-json": Case(b'{"customer":'),
    "wrong-type": Case({**SAMPLE, "data": {**SAMPLE["data"], "balance": {"points": "40"}}}),
    "stale": Case(OLD, then=(rule(key="{{ transaction.id }}"),)),
    "stale-and-two": Case(OLD, then=(rule(name="good"), rule(name="bad", text="{{ pionts }}"))),
    "stale-and-unwanted": Case(OLD, then=(rule(events=("moon.*",)),)),
    "stale-into-digest": Case(OLD, then=(rule(digest=WINDOW, text="{{ events | length }} of {{ customer.id }}"),)),
    "digest": Case(
        *(points_added(number, customer="cust_1", at_s=number) for number in (10, 11)),
        rules=(rule(digest=WINDOW, text="{{ events | length }} of {{ customer.id }}"),),
    ),
    "lookup-misconfigured": Case(webhook(9), then=(rule(enrich=("customer",)),)),
}


PASSING = {
    *("corrected-channel", "corrected-text", "no-longer-wanted", "digest"),
    *("stale", "stale-and-unwanted", "stale-into-digest"),
}


def setup(cases: Mapping[str, tuple[Rule, ...]]) -> tuple[dict[str, WorkerSource], tuple[Rule, ...]]:
    """Return the source of each case, and its rules for that source alone."""
    sources = {name: WorkerSource(KIND, 7, max_event_age_s=60.0 * name.startswith("stale")) for name in cases}
    rules = [
        structs.replace(one, name=f"{name}-{one.name}", sources=(name,))
        for name, own in cases.items()
        for one in own
    ]
    return sources, tuple(rules)


@asynccontextmanager
async def running_worker(
    server: RedisServer,
    sources: Mapping[str, WorkerSource],
    rules: tuple[Rule, ...],
    channels: Mapping[str, ChannelSettings],
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    settings = Settings(stop_grace_s=5, unrecognized_grace_s=0)
    task = asyncio.create_task(run(settings, sources, rules, channels, RedisSettings(url=server.url), stop=stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def all_stored_letters(redis: Client) -> list[StoredDeadLetter]:
    stored_letters = [
        await dead_letters.get(redis, letter.id) for letter in await dead_letters.newest(redis, count=1000)
    ]
    return [stored_letter for stored_letter in stored_letters if stored_letter]


async def test_a_replay_does_what_its_dry_run_said(redis_server: RedisServer, redis: Client) -> None:
    async with running_receiver() as crm:
        http = HttpSettings(url=crm.url, allow_private=True, retry=RetrySettings(attempts=1))
        before = {"crm": http, "gone": http, "mail": MAIL}
        crm.status = 400
        for name, case in CASES.items():
            await accept(redis, *case.bodies, source=name)
        sources, rules = setup({name: case.rules for name, case in CASES.items()})
        async with running_worker(redis_server, sources, rules, before):
            await wait_until_idle(redis)
        stored_letters = await all_stored_letters(redis)
        assert {stored_letter.letter.source for stored_letter in stored_letters} == set(CASES)

        after: dict[str, ChannelSettings] = {"crm": http, "mail": MAIL}
        sources, rules = setup({name: case.then for name, case in CASES.items()})
        stage = DryRunner(sources, rules, after)
        results = [stage.of(stored_letter) for stored_letter in stored_letters]
        crm.status, crm.received[:] = 200, []
        for stored_letter in stored_letters:
            assert await replay(redis, [stored_letter])
        async with running_worker(redis_server, sources, rules, after):
            totals = await wait_until_idle(redis)
        died = [stored_letter.letter for stored_letter in await all_stored_letters(redis)]

    pairs = zip(stored_letters, results, strict=True)
    assert {stored_letter.letter.source for stored_letter, result in pairs if result.passes} == PASSING
    assert sorted(_as_reported(result) for result in results if not result.passes) == sorted(
        map(_as_reported, died)
    )
    shown = [shown for result in results for shown in result.notifications]
    assert {
        (notification.rule, notification.key, notification.text, notification.to, notification.subject)
        for notification in shown
        if not notification.error
    } == {
        (got["rule"], got["key"], got["text"], got.get("to", ""), got.get("subject", "")) for got in crm.received
    }
    assert totals.bodies_add_up() and totals.notifications_add_up()


def _as_reported(found: DryRunResult | DeadLetter) -> tuple[str, ...]:
    return found.fingerprint, found.stage, found.reason, found.error, found.error_class, found.path
