"""The webhooks of a run, each made from its number: what sender, sink and audit know of one without telling it."""

from __future__ import annotations

import msgspec

from sources import KINDS
from sources.secret import Secret

KIND = KINDS["voucherify"]
SECRET = Secret("chaos-secret")
PATH = "/webhooks/voucherify"

POINTS_ADDED = "customer.voucher.loyalty_card.points_added"
REWARDED = "customer.rewarded"
EVERY_EVENT = "every-event"
REWARDS = "rewards"
"""The two rules: one notifies of every event, the other of the rewards among them, by another channel."""

_REWARD_EVERY = 10
_REFUSED_EVERY = 500
_BROKEN_EVERY = 500


def is_rewarded(number: int) -> bool:
    return number % _REWARD_EVERY == 3


def is_refused(number: int) -> bool:
    """The sink says 422 to `every-event`, at each try: a dead letter."""
    return number % _REFUSED_EVERY == 7


def is_broken(number: int) -> bool:
    """Signed, and no JSON: a dead letter at intake."""
    return number % _BROKEN_EVERY == 11


def body_of(number: int) -> bytes:
    """Differs from call to call in its times: keep what was sent."""
    body = KIND.sample(number, REWARDED if is_rewarded(number) else POINTS_ADDED)
    return body[:-1] if is_broken(number) else body


def request_of(number: int) -> bytes:
    """A whole, signed HTTP request."""
    return request_with(body_of(number))


def request_with(body: bytes, path: str = PATH) -> bytes:
    """The same with another body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{KIND.signature_header}: {KIND.sign(body, SECRET)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def number_in(body: bytes) -> int:
    """Which webhook a dead letter holds, broken or not."""
    _, _, rest = body.partition(b'"source_id":"order-')
    return int(rest[:8])


class Transaction(msgspec.Struct):
    source_id: str


class Data(msgspec.Struct):
    transaction: Transaction


class Told(msgspec.Struct):
    """A notification, as far as the sink reads it."""

    key: str
    rule: str
    data: Data

    @property
    def number(self) -> int:
        return int(self.data.transaction.source_id.removeprefix("order-"))
