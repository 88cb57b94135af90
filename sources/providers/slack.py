"""Slack: the Events API, such as messages and mentions of an app.

docs.slack.dev, "Verifying requests from Slack" and "The Events API". What is signed is `v0:{time}:{body}` with
HMAC-SHA256; Slack recommends to refuse a time that is more than 5 minutes away. `event_id` is in the signed body,
and stays the same in the three retries, which have the header X-Slack-Retry-Num.

Slash commands and interactions are forms, whose sender waits for an answer that is shown in Slack. They verify,
but are not events.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.json_body import hash_of, parse_object, text_at, unix_ms, view
from sources.shared.signature import after_prefix, check_hmac, check_time, hmac_text, in_hex, required
from sources.shared.terms import terms_of_keys
from sources.signed_request import NO_HEADERS, Answer, Headers, SignedRequest

_SIGNATURE, _TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
_PREFIX = "v0="
_TOLERANCE_S = 300.0

_RETRY_SCHEDULE_S = (0.0, 60.0, 300.0)
_REMEMBER_S = 3600.0
"""Seconds for which a body without an id is remembered."""

_FORM = re.compile(rb"[a-z_]+=")
_EVENT_TIME = re.compile(r"([0-9]{1,10})\.([0-9]{3})[0-9]*")
_MAX_CHALLENGE_CHARS = 256


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the time and the signature of the body. Raises SignatureError."""
    signature = after_prefix(_SIGNATURE, required(request, _SIGNATURE), _PREFIX)
    timestamp = required(request, _TIMESTAMP)
    check_time(_TIMESTAMP, timestamp, request.now_s, tolerance_s=_TOLERANCE_S)
    check_hmac(_signed(timestamp, request.body), [signature], (secret.reveal() for secret in secrets))


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The two headers for a body."""
    timestamp = str(int(request.now_s))
    signature = hmac_text(secret.reveal(), _signed(timestamp, request.body), encode=in_hex)
    return {_SIGNATURE: _PREFIX + signature, _TIMESTAMP: timestamp}


def handshake(request: SignedRequest) -> Answer | None:
    """The answer to `url_verification`, which Slack sends when the URL is entered."""
    if b'"url_verification"' not in request.body:
        return None
    try:
        content = parse_object(request.body)
    except DecodeError:
        return None
    challenge = text_at(content, "challenge")
    if content.get("type") != "url_verification" or not 0 < len(challenge) <= _MAX_CHALLENGE_CHARS:
        return None
    body = msgspec.json.encode({"challenge": challenge})
    return Answer(content_type="application/json", body=body)


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is the type of the inner event, such as `app_mention`."""
    if _FORM.match(body):
        raise DecodeError("a form of a slash command or an interaction, which is not an event of the Events API")
    content = parse_object(body)
    event_id = text_at(content, "event_id")
    return Event(
        name=text_at(content, "event", "type") or text_at(content, "type") or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        occurred_at_ms=_occurred_at_ms(content),
        data=content,
        kind="event",
        remember_s=None if event_id else _REMEMBER_S,
    )


def sample(number: int, event: str) -> bytes:
    """An event that a member causes in a channel."""
    now_s = int(time.time())
    inner: dict[str, Any] = {
        "type": event,
        "user": f"U{number:08d}",
        "text": f"<@U0HOOKLINE> sample {number}",
        "ts": f"{now_s}.{number % 1_000_000:06d}",
        "channel": "C0SAMPLE1",
        "event_ts": f"{now_s}.{number % 1_000_000:06d}",
    }
    if event == "message":
        inner["channel_type"] = "channel"
    content = {
        "team_id": "T0SAMPLE1",
        "api_app_id": "A0SAMPLE1",
        "event": inner,
        "type": "event_callback",
        "event_id": f"Ev{hash_of(f'{event}/{number}'.encode())[:10].upper()}",
        "event_time": now_s,
    }
    return msgspec.json.encode(content)


def _signed(timestamp: str, body: bytes) -> bytes:
    return b"v0:" + timestamp.encode() + b":" + body


def _occurred_at_ms(content: dict[str, Any]) -> int | None:
    """The time of the inner event, seconds with a fraction as text, or of the outer one."""
    written = _EVENT_TIME.fullmatch(text_at(content, "event", "event_ts"))
    return int(written[1] + written[2]) if written else unix_ms(content.get("event_time"), unit_ms=1000)


SLACK = Provider(
    name="slack",
    title="Slack",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="app_mention",
    signature_headers=(_SIGNATURE,),
    handshake=handshake,
    deadline_s=3.0,
    terms=terms_of_keys("event_id", "user", "channel", "thread_ts", "ts", "team_id"),
    retry_schedule_s=_RETRY_SCHEDULE_S,
    disabled_advice=(
        "Slack does not send again what failed; look under Event Subscriptions of the app whether events are "
        "still enabled: Slack disables them if over 95% of the tries of an hour fail"
    ),
)
