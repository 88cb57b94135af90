"""The webhooks of a run. Each follows from its number, so sender, sink and audit know it without communicating."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from sources import KINDS
from sources.secret import Secret
from sources.voucherify import HEADER, sign

KIND = KINDS["voucherify"]
SECRET = Secret("chaos-secret")
OTHER_SECRET = Secret("secret-of-the-other-installation")
OTHER_FIRST = 50_000_000
"""The first number of the other installation: a number from here on shows that an event belongs to it."""

PATH = "/webhooks/voucherify"

POINTS_ADDED = "customer.voucher.loyalty_card.points_added"
REWARDED = "customer.rewarded"
UPDATED = "customer.loyalty.updated"
GIFTED = "customer.gift.balance_added"
EVERY_EVENT = "every-event"
REWARDS = "rewards"
BALANCE = "balance"
SUMMARY = "summary"
"""The four rules, each with its own channel: one notifies of every event, another of the rewards among them,
a third of the latest balance of each voucher, and the last collects the gifts of a customer in a digest."""

_REWARD_EVERY = 10
_REFUSED_EVERY = 500
_BROKEN_EVERY = 500
_SUBJECTS, _SUBJECTS_LAST = 8, 2000
_SHUFFLED = 400
"""Within groups of so many events, the order of sending differs from the order of the events' own times."""

_STRIDE = 7919  # has no factor in common with _SHUFFLED, so that each position of a group is used once
_CUSTOMERS, _CUSTOMERS_LAST = 10, 1000
_BEGAN_MS = int(time.time() * 1000)


def is_rewarded(number: int) -> bool:
    return number % _REWARD_EVERY == 3


def is_balance(number: int) -> bool:
    return number % 10 in (4, 5)


def is_gift(number: int) -> bool:
    return number % 10 in (6, 7)


def is_refused(number: int) -> bool:
    """True if the sink answers 422 to `every-event` at each attempt: a dead letter."""
    return number % _REFUSED_EVERY == 7


def is_broken(number: int) -> bool:
    """True if the webhook is signed but not JSON: a dead letter at intake."""
    return number % _BROKEN_EVERY == 11


def subject_of(number: int) -> int:
    """Return the voucher whose balance is notified: it has about 50 events in four seconds at 500 a second."""
    return number // _SUBJECTS_LAST * _SUBJECTS + number // 10 % _SUBJECTS


def position_of(number: int) -> int:
    """Return the position of the event in the order of the events' own times."""
    return number - number % _SHUFFLED + number * _STRIDE % _SHUFFLED


def _customer_of(number: int) -> int:
    return number // _CUSTOMERS_LAST * _CUSTOMERS + number // 10 % _CUSTOMERS


def body_of(number: int) -> bytes:
    """Return a body with the current time, different at each call: keep the one that was sent."""
    if is_balance(number):
        return _changed(KIND.sample(number, UPDATED), number, voucher=f"v_{subject_of(number)}")
    if is_gift(number):
        return _changed(KIND.sample(number, GIFTED), number, customer=f"cust_{_customer_of(number)}")
    body = KIND.sample(number, REWARDED if is_rewarded(number) else POINTS_ADDED)
    return body[:-1] if is_broken(number) else body


def _changed(body: bytes, number: int, **ids: str) -> bytes:
    """Set the event's own time by its position, and the ids of these parts of its data."""
    webhook = msgspec.json.decode(body)
    own_ms = _BEGAN_MS + position_of(number % OTHER_FIRST)
    moment = datetime.fromtimestamp(own_ms / 1000, UTC).isoformat(timespec="milliseconds")
    webhook["event"]["created_at"] = moment.replace("+00:00", "Z")
    for part, value in ids.items():
        webhook["data"][part]["id"] = value
    return msgspec.json.encode(webhook)


def request_of(number: int) -> bytes:
    """Return a whole, signed HTTP request."""
    return request_with(body_of(number))


def request_to_other(number: int) -> bytes:
    """Return a request to the other installation: `number` counts from zero there too."""
    return request_with(body_of(OTHER_FIRST + number), secret=OTHER_SECRET)


def request_with(body: bytes, path: str = PATH, secret: Secret = SECRET) -> bytes:
    """Return a signed HTTP request with this body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{HEADER}: {sign(body, secret)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def number_in(body: bytes) -> int:
    """Return the number of the webhook in a dead letter, whether its body can be decoded or not."""
    _, _, rest = body.partition(b'"source_id":"order-')
    return int(rest[:8])


class Transaction(msgspec.Struct):
    source_id: str


class Payload(msgspec.Struct):
    transaction: Transaction


class Data(msgspec.Struct):
    """The data of a notification: about its event, or about the events of a digest."""

    transaction: Transaction | None = None
    events: list[Payload] = []


class SentNotification(msgspec.Struct):
    """The part of a notification that the sink reads."""

    key: str
    rule: str
    data: Data

    @property
    def numbers(self) -> list[int]:
        """The number of its event, or those of the digest's events, in ascending order."""
        single = [self.data.transaction] if self.data.transaction else []
        transactions = single + [event.transaction for event in self.data.events]
        return sorted(int(transaction.source_id.removeprefix("order-")) for transaction in transactions)
