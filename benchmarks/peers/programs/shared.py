"""Parts that most peers share: what they read from their environment, the signature, and the notification.

The programs of this folder run in the virtual environment of their peer, as scripts that import their neighbours.
"""

from __future__ import annotations

import hashlib
import hmac
import os

import msgspec
from msgspec import Raw, Struct

REDIS_URL = os.environ["PEER_REDIS_URL"]
SINK_URL = os.environ["PEER_SINK_URL"]
PORT = int(os.environ["PEER_PORT"])
_SECRET = os.environ["PEER_SECRET"].encode()

SIGNATURE_HEADER = "x-voucherify-signature"
PATH = "/webhooks/voucherify"
WINDOW_S = 7 * 86_400
"""The seconds for which an identity is remembered."""

ATTEMPTS = 5
"""The number of attempts to send a notification."""


class _Event(Struct):
    type: str


class _Webhook(Struct):
    event: _Event
    data: Raw


class _Customer(Struct):
    name: str


class _Balance(Struct):
    points: int
    balance: int


class _Data(Struct):
    customer: _Customer
    balance: _Balance


class _Notification(Struct):
    key: str
    event: str
    text: str
    data: Raw


_webhook = msgspec.json.Decoder(_Webhook).decode
_data = msgspec.json.Decoder(_Data).decode
_encode = msgspec.json.Encoder().encode


def is_signed(body: bytes, signature: str) -> bool:
    """Return True if the signature is the HMAC-SHA256 of the body."""
    return hmac.compare_digest(hmac.digest(_SECRET, body, hashlib.sha256).hex(), signature)


def notification(key: str, body: bytes | str) -> bytes:
    """Return the JSON of the notification for a body: the fields that Hookline sends, the payload included."""
    webhook = _webhook(body)
    data = _data(webhook.data)
    text = f"{data.customer.name}: {data.balance.points} points added, balance {data.balance.balance}"
    return _encode(_Notification(key=key, event=webhook.event.type, text=text, data=webhook.data))


def headers(key: str) -> dict[str, str]:
    """Return the headers of a notification."""
    return {"Content-Type": "application/json", "Idempotency-Key": key}
