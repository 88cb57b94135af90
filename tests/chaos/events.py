"""The webhooks of a run, each made from its number: what sender, sink and audit know of one without telling it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from sources import KINDS
from sources.secret import Secret

KIND = KINDS["voucherify"]
SECRET = Secret("chaos-secret")
OTHER_SECRET = Secret("secret-of-the-other-installation")
OTHER_FIRST = 50_000_000
"""The first number of the other installation: where one of these turns up tells whether it crossed over."""

PATH = "/webhooks/voucherify"

POINTS_ADDED = "customer.voucher.loyalty_card.points_added"
REWARDED = "customer.rewarded"
UPDATED = "customer.loyalty.updated"
GIFTED = "customer.gift.balance_added"
EVERY_EVENT = "every-event"
REWARDS = "rewards"
BALANCE = "balance"
SUMMARY = "summary"
"""The four rules, each with a channel of its own: one notifies of every event, another of the rewards among them,
a third of the latest balance of each voucher, and the last collects the gifts of a customer in a digest."""

_REWARD_EVERY = 10
_REFUSED_EVERY = 500
_BROKEN_EVERY = 500
_SUBJECTS, _SUBJECTS_LAST = 8, 2000
_SHUFFLED = 400
"""Events come out of the order of their own times within groups of so many."""

_STRIDE = 7919  # has no factor in common with _SHUFFLED: each place of a group is taken once
_CUSTOMERS, _CUSTOMERS_LAST = 10, 1000
_BEGAN_MS = int(time.time() * 1000)


def is_rewarded(number: int) -> bool:
    return number % _REWARD_EVERY == 3


def is_balance(number: int) -> bool:
    return number % 10 in (4, 5)


def is_gift(number: int) -> bool:
    return number % 10 in (6, 7)


def is_refused(number: int) -> bool:
    """The sink says 422 to `every-event`, at each try: a dead letter."""
    return number % _REFUSED_EVERY == 7


def is_broken(number: int) -> bool:
    """Signed, and no JSON: a dead letter at intake."""
    return number % _BROKEN_EVERY == 11


def subject_of(number: int) -> int:
    """The voucher of which a balance is told: it has about 50 events in four seconds at 500 a second."""
    return number // _SUBJECTS_LAST * _SUBJECTS + number // 10 % _SUBJECTS


def position_of(number: int) -> int:
    """Its place in the order of the events' own times."""
    return number - number % _SHUFFLED + number * _STRIDE % _SHUFFLED


def _customer_of(number: int) -> int:
    return number // _CUSTOMERS_LAST * _CUSTOMERS + number // 10 % _CUSTOMERS


def body_of(number: int) -> bytes:
    """Differs from call to call in its times: keep what was sent."""
    if is_balance(number):
        return _changed(KIND.sample(number, UPDATED), number, voucher=f"v_{subject_of(number)}")
    if is_gift(number):
        return _changed(KIND.sample(number, GIFTED), number, customer=f"cust_{_customer_of(number)}")
    body = KIND.sample(number, REWARDED if is_rewarded(number) else POINTS_ADDED)
    return body[:-1] if is_broken(number) else body


def _changed(body: bytes, number: int, **ids: str) -> bytes:
    """With an own time by its position, and the ids of these parts of its data."""
    webhook = msgspec.json.decode(body)
    own_ms = _BEGAN_MS + position_of(number % OTHER_FIRST)
    moment = datetime.fromtimestamp(own_ms / 1000, UTC).isoformat(timespec="milliseconds")
    webhook["event"]["created_at"] = moment.replace("+00:00", "Z")
    for part, value in ids.items():
        webhook["data"][part]["id"] = value
    return msgspec.json.encode(webhook)


def request_of(number: int) -> bytes:
    """A whole, signed HTTP request."""
    return request_with(body_of(number))


def request_to_other(number: int) -> bytes:
    """One to the other installation: `number` counts from zero there too."""
    return request_with(body_of(OTHER_FIRST + number), secret=OTHER_SECRET)


def request_with(body: bytes, path: str = PATH, secret: Secret = SECRET) -> bytes:
    """The same with another body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{KIND.signature_header}: {KIND.sign(body, secret)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def number_in(body: bytes) -> int:
    """Which webhook a dead letter holds, broken or not."""
    _, _, rest = body.partition(b'"source_id":"order-')
    return int(rest[:8])


class Transaction(msgspec.Struct):
    source_id: str


class Payload(msgspec.Struct):
    transaction: Transaction


class Data(msgspec.Struct):
    """What a notification tells of its event, or of those of a digest."""

    transaction: Transaction | None = None
    events: list[Payload] = []


class Told(msgspec.Struct):
    """A notification, as far as the sink reads it."""

    key: str
    rule: str
    data: Data

    @property
    def numbers(self) -> list[int]:
        """Of its event, or of the digest's events, in ascending order."""
        single = [self.data.transaction] if self.data.transaction else []
        transactions = single + [event.transaction for event in self.data.events]
        return sorted(int(one.source_id.removeprefix("order-")) for one in transactions)
