"""Made-up dead letters of many kinds, as after a day with many failures."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter, dimensions_of
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification
from broker.redis.client import Client
from inspector.http.app_context import Configured
from sources import KINDS
from sources.settings import Settings as SourceSettings
from sources.voucherify import VOUCHERIFY
from tests.inspector.stack import EVENT, add_stored
from tests.names import KEYS
from tests.redis_server import RedisServer
from worker.channels.settings import ChannelSettings, EmailSettings, HttpSettings
from worker.preview.dry_run import DryRunner
from worker.rules.rules import Rule
from worker.worker_source import WorkerSource

POINTS = EVENT
VOUCHER = "customer.rewarded.loyalty_points"
TEXT = "{{ customer.name }} has {{ balance.points }} points more: {{ voucher.loyalty_card.balance }} in all."
RULES = (
    Rule(name="points-to-crm", events=(POINTS,), channel="crm", text=TEXT),
    Rule(
        name="points-mail",
        events=(POINTS,),
        channel="mail",
        to="{{ customer.email }}",
        subject="Your points, {{ customer.name }}",
        text=TEXT,
        html="<p>Dear {{ customer.name }},</p><p>there are <b>{{ balance.points }}</b> points more.</p>",
    ),
)
CHANNELS: dict[str, ChannelSettings] = {
    "crm": HttpSettings(url="http://crm.invalid/"),
    "mail": EmailSettings(host="smtp.invalid", sender="shop@example.com", security="none"),
}
DRY_RUNNER = DryRunner({"voucherify": WorkerSource(KINDS["voucherify"], 7)}, RULES, CHANNELS)
CONFIGURED = Configured(sources={"voucherify": SourceSettings()}, channels=tuple(CHANNELS), dry_run=DRY_RUNNER.of)
HEADERS = "content-type: application/json\nuser-agent: Voucherify-Webhooks/2.0\nx-request-id: 7f1c09d2"


def raw(body: bytes) -> RawBody:
    now_ms = time.time_ns() // 1_000_000
    return RawBody(now_ms - 400_000, "voucherify", "", body, HEADERS)


def refused(
    number: int, *, error: str = "answered 503 Service Unavailable", attempts: int = 5, channel: str = "crm"
) -> StoredDeadLetter:
    """Return the letter of a notification that a channel refused."""
    now_ms = time.time_ns() // 1_000_000
    body = VOUCHERIFY.sample(number, POINTS)
    tried = tuple(
        Attempt(now_ms - 2**left * 20_000, 180 + 37 * left, "retry" if left else "exhausted", error, "try later")
        for left in reversed(range(attempts))
    )
    rule = "points-to-crm" if channel == "crm" else "points-mail"
    found = Notification(f"{number:032x}", rule, POINTS, raw(body), attempts=tried)
    terms = VOUCHERIFY.terms(body)
    reason = "exhausted" if attempts > 1 else "permanent"
    kind = "HttpStatusError" if channel == "crm" else "MailRefusedError"
    letter = dead_letters.died_at_notify(found, channel, reason=reason, error=error, error_class=kind, terms=terms)
    return dead_letters.with_about(letter, VOUCHERIFY.customer(body))


def broken(number: int) -> StoredDeadLetter:
    """Return the letter of a webhook that does not fit its model."""
    payload: dict[str, Any] = json.loads(VOUCHERIFY.sample(number, POINTS))
    payload["data"]["balance"]["points"] = "twelve"
    return _undecodable(json.dumps(payload).encode())


def cut_off(number: int) -> StoredDeadLetter:
    """Return the letter of a webhook whose end is missing."""
    return _undecodable(VOUCHERIFY.sample(number, POINTS)[:700])


def _undecodable(body: bytes) -> StoredDeadLetter:
    """Return the dead letter that a worker makes of a body."""
    result = DRY_RUNNER.of(dead_letters.died_at_intake(raw(body), reason="", error="", error_class=""))
    letter = dead_letters.died_at_intake(
        raw(body),
        reason=result.reason,
        error=result.error,
        error_class=result.error_class,
        path=result.path,
        terms=VOUCHERIFY.terms(body),
    )
    return dead_letters.with_about(letter, VOUCHERIFY.customer(body))


def example_letters() -> list[StoredDeadLetter]:
    """Return 70 letters of five groups."""
    return [
        *(refused(n) for n in range(41)),
        *(refused(n, error="550 5.1.1 mailbox unavailable", attempts=1, channel="mail") for n in range(41, 57)),
        *(broken(n) for n in range(57, 66)),
        *(refused(n, error="answered 422: unknown tier", attempts=1) for n in range(66, 69)),
        cut_off(69),
    ]


async def add_dead_letters(
    redis: Client, stored_letters: Sequence[StoredDeadLetter], *, seed: int = 7
) -> list[StoredDeadLetter]:
    """Add dead letters with times of the last day that depend on a seed; the newest one died now."""
    chance = random.Random(seed)
    ages_ms = sorted((int(chance.expovariate(1 / 14_000_000)) for _ in stored_letters[1:]), reverse=True)
    aged = [
        _aged(stored_letter, age_ms)
        for stored_letter, age_ms in zip(
            chance.sample(stored_letters, len(stored_letters)), [*ages_ms, 1500], strict=True
        )
    ]
    for start in range(0, len(aged), 50):
        await add_stored(redis, aged[start : start + 50])
    for stored_letter in aged:
        letter = stored_letter.letter
        for index in (KEYS.dead_index, KEYS.dead_by + dimensions_of(letter).id):
            await redis.zadd(index, {letter.id: letter.died_at_ms}, xx=True)
    return aged


def _aged(stored_letter: StoredDeadLetter, by_ms: int) -> StoredDeadLetter:
    letter = stored_letter.letter
    older = structs.replace(
        letter,
        died_at_ms=(letter.died_at_ms or time.time_ns() // 1_000_000) - by_ms,
        received_at_ms=letter.received_at_ms - by_ms,
        attempts=tuple(structs.replace(tried, at_ms=tried.at_ms - by_ms) for tried in letter.attempts),
    )
    return StoredDeadLetter(older, stored_letter.body, stored_letter.terms)


def letters_in(server: RedisServer) -> int:
    with server.client() as redis:
        return int(redis.zcard(KEYS.dead_index))  # type: ignore[arg-type]
