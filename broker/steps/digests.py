"""Digests: events that are collected for some time and then sent as one notification.

A commit adds events to windows (digest_packs.py). The first event of a digest opens its window. When windows end,
one step turns them into jobs (digest_windows.py). A digest counts as created and waiting from its first event on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from broker.queue.batch import RawBody
from broker.redis.keys import DIGEST_ID_BYTES
from runtime.tracing.context import TRACEPARENT, line, with_line

MAX_BYTES = 4 * 1024 * 1024
"""The largest size of the bodies in one digest. Further events of its window make another digest."""


class Gathered(Struct, frozen=True, array_like=True):
    """An event that waits for the end of its window."""

    key: str
    """The idempotency key that the event alone would have. The keys of all events make the key of the digest."""

    rule: str
    channels: tuple[str, ...]
    window_ms: int
    event: str
    """The name of the event."""

    occurred_at_ms: int | None
    body: RawBody


class Part(Struct, frozen=True):
    """The contribution of one event to a digest. It is added only if the event is new."""

    event: int
    """The index of the event in its entry (starts at 0)."""

    digest: str
    """The id of the digest: see `digest_id`."""

    gathered: Gathered
    number: int = 0
    """The place of the digest among those that the event joins (starts at 0). It names the event's mark."""


class Member(Struct, frozen=True, omit_defaults=True):
    """An event in the body of a digest's notification. The body is the JSON list of its members."""

    event: str
    source: str
    occurred_at_ms: int | None
    received_at_ms: int
    body: Raw
    """The body as it was received, if it is a JSON object or list; else its bytes as a JSON text."""

    headers: str = ""
    """The headers that were stored with the body: see `RawBody`."""

    @property
    def original(self) -> bytes:
        """The body as it was received. It need not be JSON: some providers send forms."""
        body = bytes(self.body)
        return body if body[:1] in _JSON else msgspec.json.decode(body, type=str).encode("latin-1")


_JSON = (b"{", b"[")

_encode_members = msgspec.json.Encoder().encode
_decode_members = msgspec.json.Decoder(list[Member]).decode


def digest_id(source: str, rule: str, key: str) -> str:
    """Return the id of an event's digest, in hex. key: the value of the rule's key for the event."""
    text = "\x1f".join((source, rule, key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_ID_BYTES).hexdigest()


def members(body: bytes) -> list[Member]:
    """Return the events in the body of a digest, ordered by their own times. Raises msgspec.DecodeError."""
    return sorted(_decode_members(body), key=lambda member: member.occurred_at_ms or member.received_at_ms)


def body_of(events: Sequence[Gathered]) -> RawBody:
    """Build the body of a digest's notification. The events must not be empty.

    Its trace is that of the first event that is traced.
    """
    first = events[0].body
    rows = [
        Member(
            event.event,
            event.body.source,
            event.occurred_at_ms,
            event.body.received_at_ms,
            _as_json(event.body.body),
            event.body.headers,
        )
        for event in events
    ]
    traced = next((parent for event in events if (parent := line(event.body.headers, TRACEPARENT))), "")
    headers = with_line("", TRACEPARENT, traced)
    return RawBody(first.received_at_ms, first.source, "", _encode_members(rows), headers)


def _as_json(body: bytes) -> Raw:
    return Raw(body if body[:1] in _JSON else _encode_members(body.decode("latin-1")))
