"""Which bodies `hookline send` sends, in which order, signed how. Pure."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sources.provider import Provider
from sources.secret import Secret
from sources.written_number import as_json

Share = Annotated[float, Meta(ge=0, le=1)]

_REPEATABLE = 1_000
"""Earlier bodies that a repeat chooses from: bounds the memory of a long run."""

_WRONG = Secret(b"nobody's secret")


class Plan(Struct, frozen=True, kw_only=True):
    """What to send."""

    kind: Provider
    secret: Secret
    event: str
    """Event name of the sample bodies."""

    count: int = 1
    """Webhooks to send."""

    body: bytes | None = None
    """Sent as it is in place of sample bodies."""

    raw: bool = False
    """Sample bodies lose their envelope."""

    duplicates: Share = 0.0
    """Share that repeats the exact bytes of an earlier webhook."""

    invalid: Share = 0.0
    """Share that carries a wrong signature."""

    seed: int
    """Same seed, same bodies (but for their times), same repeats, same wrong signatures."""


class Content:
    """One body. `accepted` turns true with the first 202 for it."""

    __slots__ = ("accepted", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.accepted = False


class Delivery(Struct, frozen=True):
    """One webhook to send."""

    content: Content
    signature: str
    valid: bool
    """Whether the signature is right: whether 202 or 401 is the expected answer."""

    repeated: bool


def deliveries(plan: Plan) -> Iterator[Delivery]:
    """`plan.count` webhooks, made as they are taken."""
    draw = random.Random(plan.seed)  # noqa: S311 - samples, not secrets
    first = draw.getrandbits(40)
    earlier: deque[Content] = deque(maxlen=_REPEATABLE)
    given = Content(plan.body) if plan.body is not None else None
    for number in range(plan.count):
        if draw.random() < plan.invalid:
            content = given or _fresh(plan, first + number)
            yield Delivery(content, plan.kind.sign(content.body, _WRONG), valid=False, repeated=False)
            continue
        repeats = bool(earlier) and (given is not None or draw.random() < plan.duplicates)
        content = draw.choice(earlier) if repeats else given or _fresh(plan, first + number)
        if not repeats:
            earlier.append(content)
        yield Delivery(content, plan.kind.sign(content.body, plan.secret), valid=True, repeated=repeats)


def _fresh(plan: Plan, number: int) -> Content:
    body = plan.kind.sample(number, plan.event)
    return Content(msgspec.json.encode(plan.kind.view(body), enc_hook=as_json) if plan.raw else body)
