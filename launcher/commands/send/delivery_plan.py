"""The bodies that `hookline send` sends, their order and their signatures. Pure."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sources.provider import Provider
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.written_number import as_json

Share = Annotated[float, Meta(ge=0, le=1)]

_REPEATABLE = 1_000
"""Earlier bodies that a repeat chooses from; limits the memory of a long run."""


class Plan(Struct, frozen=True, kw_only=True):
    """The options of one run."""

    kind: Provider
    secret: Secret
    wrong_secret: Secret
    """The secret that signs webhooks with a wrong signature."""

    event: str
    """Event name of the sample bodies."""

    url: str = ""
    """The URL that is signed by a provider that signs it."""

    count: int = 1
    """How many webhooks are sent. Defaults to 1."""

    body: bytes | None = None
    """A body that is sent instead of sample bodies, unchanged but for a signature that belongs into it; None for
    sample bodies."""

    raw: bool = False
    """True to send sample bodies without their envelope."""

    duplicates: Share = 0.0
    """Share of webhooks that repeat the exact bytes of an earlier one, 0 to 1. Defaults to 0."""

    invalid: Share = 0.0
    """Share of webhooks with a wrong signature, 0 to 1. Defaults to 0."""

    seed: int
    """Seed of the random choices. The same seed gives the same bodies (except for their times), repeats and wrong
    signatures."""


class Content:
    """A body with the headers that name and identify its event, and whether it was accepted already."""

    __slots__ = ("accepted", "body", "headers")

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers = headers
        self.accepted = False


class Delivery(Struct, frozen=True):
    """A webhook to send."""

    content: Content
    headers: Mapping[str, str]
    """The headers of its event, and those with the signature."""

    valid: bool
    """True if the signature is right and success is expected; False if 401 is expected."""

    repeated: bool


def deliveries(plan: Plan) -> Iterator[Delivery]:
    """`plan.count` webhooks, each created when it is requested."""
    draw = random.Random(plan.seed)  # noqa: S311 - samples, not secrets
    first = draw.getrandbits(40)
    earlier: deque[Content] = deque(maxlen=_REPEATABLE)
    fixed = None if plan.body is None else _content(plan, first, plan.body, plan.secret)
    for number in range(plan.count):
        if draw.random() < plan.invalid:
            content = _content(plan, first + number, plan.body, plan.wrong_secret)
            yield Delivery(content, _headers(plan, content, plan.wrong_secret), valid=False, repeated=False)
            continue
        repeats = bool(earlier) and (fixed is not None or draw.random() < plan.duplicates)
        content = draw.choice(earlier) if repeats else fixed or _content(plan, first + number, None, plan.secret)
        if not repeats:
            earlier.append(content)
        yield Delivery(content, _headers(plan, content, plan.secret), valid=True, repeated=repeats)


def _content(plan: Plan, number: int, body: bytes | None, secret: Secret) -> Content:
    """A sample, or the body that is given, with the signature that belongs into it."""
    headers = plan.kind.sample_headers(number, plan.event)
    if body is None:
        body = plan.kind.sample(number, plan.event)
        if plan.raw:
            body = msgspec.json.encode(plan.kind.view(body), enc_hook=as_json)
    return Content(plan.kind.sign_body(_request(plan, body, headers), secret), headers)


def _headers(plan: Plan, content: Content, secret: Secret) -> dict[str, str]:
    request = _request(plan, content.body, content.headers)
    return {**content.headers, **plan.kind.sign(request, secret)}


def _request(plan: Plan, body: bytes, headers: Mapping[str, str]) -> SignedRequest:
    return SignedRequest(body, headers, "POST", plan.url, time.time())
