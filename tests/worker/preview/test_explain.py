"""Explanations of bodies, which must be what intake and notify would do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.stream import Entry
from broker.redis.client import Client
from sources import KINDS
from sources.event import Event
from sources.signed_request import Headers
from tests.libraries import INT_EXPECTED
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import POINTS_ADDED, first_plan, send, webhook
from tests.worker_process import RULES, WorkerProcess, sink_channel
from worker.channels.settings import ChannelSettings, ConsoleSettings, EmailSettings, HttpSettings
from worker.intake.digests import notifications_of
from worker.intake.match import MatchedEvent
from worker.intake.planner import Planner
from worker.preview.explain import Decoded, Explanation, Fault, explain
from worker.rules.rules import DigestSettings, Rule, RuleBook
from worker.worker_source import WorkerSource

NOW_MS = int(time.time() * 1000)
SOURCE = WorkerSource(KINDS["voucherify"], 7)
SAMPLE: dict[str, Any] = json.loads(webhook(7))
CHANNELS: dict[str, ChannelSettings] = {
    "console": ConsoleSettings(),
    "crm": HttpSettings(url="https://user:word@crm.example/hook/token?key=word"),
}
TEXT = "{{ balance.points }} points"
POINTS = Rule(name="points", events=("*points_added",), channel="console", text=TEXT)
PROJECT = {
    **SAMPLE,
    "type": "voucher.loyalty_card.points_added",
    "source": {"id": "wh_1", "object": "webhook"},
    "event": {**SAMPLE["event"], "type": "voucher.loyalty_card.points_added"},
}
DESIGNED = {"greeting": "hello", "score": 3}
WRONG = {**SAMPLE, "data": {**SAMPLE["data"], "balance": {"points": "forty", "balance": 1}}}

BODIES: dict[str, tuple[bytes, str]] = {
    "distribution": (webhook(7), ""),
    "project": (json.dumps(PROJECT).encode(), ""),
    "raw": (json.dumps(SAMPLE["data"]).encode(), ""),
    "raw with a name": (json.dumps(SAMPLE["data"]).encode(), "customer.rewarded"),
    "designed": (json.dumps(DESIGNED).encode(), ""),
    "designed with a name": (json.dumps(DESIGNED).encode(), POINTS_ADDED),
    "not an object": (b"[1, 2]", ""),
    "wrong type": (json.dumps(WRONG).encode(), ""),
    "not JSON": (b"40 points for Nadia", ""),
    "not UTF-8": (b'{"a":"\xff"}', ""),
    "empty": (b"", ""),
    "deep": (b"[" * 100_000, ""),
}


def explained(body: object, *rules: Rule, hint: str = "", source: WorkerSource = SOURCE) -> Explanation:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return explain(RawBody(NOW_MS, "voucherify", hint, raw), source, rules or (POINTS,), CHANNELS)


def event_of(explanation: Explanation) -> Decoded:
    assert explanation.event is not None, explanation.fault
    return explanation.event


@pytest.mark.parametrize("name", BODIES)
async def test_an_explanation_shows_what_intake_does(name: str) -> None:
    body, hint = BODIES[name]
    rules = (
        POINTS,
        Rule(name="customers", events=("customer.*",), channel="crm"),
        Rule(name="others", events=("*",), sources=("other",), channel="crm"),
        Rule(name="all", events=("*",), channel="crm"),
    )
    entry = Entry("1-1", 1, batch.encode([RawBody(NOW_MS, "voucherify", hint, body)]), 1)
    plan = await first_plan(Planner({"voucherify": SOURCE}, RuleBook(rules), max_deliveries=3), entry)

    explanation = explained(body, *rules, hint=hint)

    stored_letters = [stored_letter.letter for stored_letter in plan.processed[0].stored_letters]
    assert [Fault(letter.reason, letter.error, letter.path) for letter in stored_letters] == (
        [explanation.fault] if explanation.fault else []
    )
    planned = {(job.channel, n.rule, n.key, n.event) for job in plan.jobs.all for n in job.notifications}
    assert planned == {
        (notified.channel, outcome.rule, notified.key, event_of(explanation).name)
        for outcome in explanation.rules
        for notified in outcome.notifications
    }


async def test_an_explanation_shows_what_an_http_channel_posts(
    redis: Client, sink: Sink, worker: Callable[..., WorkerProcess]
) -> None:
    body = webhook(11)
    worker()
    await send(redis, body)
    await until(lambda: sink.got)

    explanation = explain(RawBody(NOW_MS, "voucherify", "", body), SOURCE, RULES, sink_channel(sink.url))

    (notification,) = explanation.rules[0].notifications
    assert notification.post is not None
    assert json.loads(bytes(notification.post.body)) == sink.got[0]


@pytest.mark.parametrize(("body", "kind"), [(SAMPLE, "distribution"), (PROJECT, "project")])
def test_the_body_of_an_enveloped_event_names_it_not_the_url(body: dict[str, Any], kind: str) -> None:
    event = event_of(explained(body, hint="order.paid"))

    assert event.kind == kind
    assert (event.name, event.named_by) == (body["event"]["type"], "body")
    assert event.identity == (body["source"]["id"], body["event"]["id"], body["event"]["entity_id"])
    assert event.occurred_at_ms is not None
    assert not event.identity_is_hash


def test_a_typed_payload_is_shown_with_its_struct_and_every_key_that_templates_see() -> None:
    event = event_of(explained(SAMPLE))
    data = SOURCE.kind.decode(webhook(7), "").data

    assert event.typed is not None
    assert (event.typed.name, list(event.typed.fields)) == (type(data).__name__, list(SAMPLE["data"]))
    assert event.typed.fields["balance"]["points"] == data.balance.points == 40
    assert event.payload == SAMPLE["data"]


def test_the_explanation_of_a_raw_payload_shows_where_its_name_came_from() -> None:
    by_shape, by_url = (event_of(explained(SAMPLE["data"], hint=hint)) for hint in ("", POINTS_ADDED))

    assert by_shape.kind == by_url.kind == "raw"
    assert (by_shape.name, by_shape.named_by) == (POINTS_ADDED, "body")
    assert (by_url.name, by_url.named_by) == (POINTS_ADDED, "url")
    assert by_url.identity == (POINTS_ADDED, SAMPLE["data"]["transaction"]["id"])


def test_a_designed_payload_is_generic_and_known_by_its_bytes() -> None:
    event = event_of(explained(DESIGNED))

    assert (event.name, event.named_by, event.typed) == ("unknown", "nothing", None)
    assert (event.identity_is_hash, event.occurred_at_ms) == (True, None)
    assert event.payload == DESIGNED


def test_an_unknown_event_is_processed() -> None:
    explanation = explained({**SAMPLE, "event": {**SAMPLE["event"], "type": "moon.phase.changed"}})

    assert (event_of(explanation).name, explanation.dead_letters) == ("moon.phase.changed", 0)
    assert event_of(explanation).typed is None


def test_a_wrong_type_is_shown_with_its_place() -> None:
    explanation = explained(WRONG)

    assert explanation.fault == Fault("undecodable", INT_EXPECTED, "$.data.balance.points")
    assert (explanation.dead_letters, explanation.event, explanation.rules) == (1, None, ())


def test_a_defect_of_a_decoder_is_shown_as_intake_would_keep_it() -> None:
    def defective(_body: bytes, _hint: str, _headers: Headers) -> Event:
        raise KeyError

    kind = msgspec.structs.replace(KINDS["voucherify"], decode=defective)
    assert explained(SAMPLE, source=WorkerSource(kind, 7)).fault == Fault("failed", "KeyError")


def test_every_reason_why_a_rule_does_not_match_is_shown() -> None:
    rule = Rule(name="r", events=("order.*", "CUSTOMER.*"), sources=("shop", "erp*"), channel="console")

    (outcome,) = explained(SAMPLE, rule).rules

    assert outcome.notifications == ()
    assert [(why.what, why.name, why.globs) for why in outcome.mismatches] == [
        ("event", POINTS_ADDED, ("order.*", "CUSTOMER.*")),
        ("source", "voucherify", ("shop", "erp*")),
    ]


def test_rules_are_shown_in_the_order_of_the_config() -> None:
    rules = [
        Rule(name=name, events=(glob,), channel="console") for name, glob in (("b", "x"), ("c", "*"), ("a", "*"))
    ]

    explanation = explained(SAMPLE, *rules)

    assert [(outcome.rule, bool(outcome.notifications)) for outcome in explanation.rules] == [
        ("b", False),
        ("c", True),
        ("a", True),
    ]


def test_a_template_that_does_not_fit_makes_a_dead_letter_of_its_own_notification_alone() -> None:
    rules = [
        Rule(name=name, events=("*",), channel="crm", text=text)
        for name, text in (("good", TEXT), ("misspelt", "{{ balance.pionts }}"), ("zero", "{{ 1 // 0 }}"))
    ]

    explanation = explained(SAMPLE, *rules)

    good, misspelt, zero = (notified for outcome in explanation.rules for notified in outcome.notifications)
    assert (good.text, good.error) == ("40 points", "")
    assert "pionts" in misspelt.error
    assert "ZeroDivisionError" in zero.error
    assert (misspelt.text, misspelt.post, explanation.dead_letters) == ("", None, 2)


def test_a_text_that_json_cannot_represent_is_shown_as_an_error() -> None:
    rule = Rule(name="r", events=("*",), channel="crm", text=r'{{ "\ud800" }}')

    (notification,) = explained(SAMPLE, rule).rules[0].notifications

    assert "surrogates not allowed" in notification.error


def test_an_invalid_recipient_is_shown_as_an_error() -> None:
    mail = EmailSettings(host="smtp.example", sender="shop@example.com")
    rule = Rule(name="r", events=("*",), channel="mail", text=TEXT, to="{{ customer.name }}")

    explanation = explain(RawBody(NOW_MS, "voucherify", "", webhook(7)), SOURCE, (rule,), {"mail": mail})

    (notification,) = explanation.rules[0].notifications
    assert "it is not one address" in notification.error
    assert (notification.text, explanation.dead_letters) == ("", 1)


def test_an_http_channel_shows_its_host_and_none_of_its_secrets() -> None:
    (notification,) = explained(SAMPLE, Rule(name="r", events=("*",), channel="crm")).rules[0].notifications

    assert notification.post is not None
    assert (notification.channel_kind, notification.post.host) == ("http", "crm.example")


def test_a_rule_with_a_digest_is_explained_by_the_digest_of_this_event_alone() -> None:
    rule = Rule(
        name="weekly",
        events=("*",),
        channel="crm",
        text="{{ events | length }} events",
        digest=DigestSettings(key="customer.id", window="5m"),
    )
    body = RawBody(NOW_MS, "voucherify", "", webhook(7))
    matched = Planner({"voucherify": SOURCE}, RuleBook((rule,)), max_deliveries=3).plan_body(body)
    assert isinstance(matched, MatchedEvent)
    [(_, made)] = notifications_of([gathered for _, gathered in matched.digest_events])

    explanation = explained(SAMPLE, rule)

    (notification,) = explanation.rules[0].notifications
    assert (notification.digest, notification.text) == (True, "1 events")
    assert notification.key == made.key
