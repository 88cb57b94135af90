"""Slack: the Events API, such as messages and mentions of an app, slash commands and interactions.

docs.slack.dev, "Verifying requests from Slack", "The Events API", "Implementing slash commands" and "Handling
user interaction". What is signed is `v0:{time}:{body}` with HMAC-SHA256; Slack recommends to refuse a time that
is more than 5 minutes away. `event_id` is in the signed body, and stays the same in the three retries, which
have the header X-Slack-Retry-Num.

Slash commands are forms, and interactions are JSON in the parameter `payload` of a form. Both are signed like
events, have a `trigger_id` of their own, and are not sent again. Slack shows the answer to the member who caused
them, so it is 200 without a body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.slack.models import MODELS
from sources.providers.slack.samples import COMMAND, INTERACTION, sample, sample_headers
from sources.secret import Secret
from sources.shared import json_body
from sources.shared.form_body import is_json, parse_form, terms_of_form
from sources.shared.json_body import hash_of, parse_object, text_at, unix_ms
from sources.shared.signature import after_prefix, check_hmac, check_time, hmac_text, in_hex, required
from sources.shared.terms import MAX_BYTES, terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Answer, Headers, SignedRequest

_SIGNATURE, _TIMESTAMP = "x-slack-signature", "x-slack-request-timestamp"
_PREFIX = "v0="
_TOLERANCE_S = 300.0

_RETRY_SCHEDULE_S = (0.0, 60.0, 300.0)
_REMEMBER_S = 3600.0
"""Seconds for which a body without an id is remembered."""

_PAYLOAD = "payload"
_SSL_CHECK = re.compile(rb"(?:.*&)?ssl_check=1(?:&.*)?", re.DOTALL)
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
    """The answer to `url_verification`, which Slack sends when the URL is entered, and to checks of the
    certificate, which it sends to the URL of a slash command."""
    if _SSL_CHECK.fullmatch(request.body) and b"command=" not in request.body:
        return Answer()
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
    """The event in a body; its name is the type of the inner event, such as `app_mention`, `command:/deploy` for a
    slash command, or `interaction:block_actions`."""
    if not is_json(body):
        return _decode_form(body, hint)
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


def view(body: bytes) -> Mapping[str, Any]:
    """The whole event, the parameters of a slash command, or an interaction. Raises DecodeError."""
    if is_json(body):
        return json_body.view(body)
    form = parse_form(body)
    payload = _payload(form)
    return form if payload is None else json_body.view(payload)


def terms(body: bytes) -> tuple[str, ...]:
    """The search terms of a body; an interaction is searched as it is in its form, with `%` codes decoded."""
    if is_json(body):
        return _EVENT_TERMS(body)
    if body.startswith(b"payload="):
        return _EVENT_TERMS(unquote_to_bytes(body[:MAX_BYTES].replace(b"+", b" ")))
    return _COMMAND_TERMS(body)


def _decode_form(body: bytes, hint: str) -> Event:
    content: dict[str, Any] = dict(parse_form(body))
    payload = _payload(content)
    if payload is not None:
        content = parse_object(payload)
    command, kind = text_at(content, "command"), text_at(content, "type")
    trigger_id = text_at(content, "trigger_id")
    named = COMMAND + command if command else INTERACTION + kind if kind else ""
    name = named or hint or UNKNOWN
    return Event(
        name=name,
        identity=f"{name}\x1f{trigger_id}" if trigger_id else hash_of(body),
        occurred_at_ms=None,
        data=content,
        kind="event",
        remember_s=None if trigger_id else _REMEMBER_S,
    )


def _payload(form: Mapping[str, Any]) -> bytes | None:
    """The JSON of an interaction, None for a slash command."""
    payload = form.get(_PAYLOAD)
    return payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else None


def _signed(timestamp: str, body: bytes) -> bytes:
    return b"v0:" + timestamp.encode() + b":" + body


def _occurred_at_ms(content: dict[str, Any]) -> int | None:
    """The time of the inner event, seconds with a fraction as text, or of the outer one."""
    written = _EVENT_TIME.fullmatch(text_at(content, "event", "event_ts"))
    return int(written[1] + written[2]) if written else unix_ms(content.get("event_time"), unit_ms=1000)


_EVENT_TERMS = terms_of_keys(
    *("event_id", "trigger_id", "callback_id", "user", "user_id", "id", "channel", "thread_ts", "ts", "team_id")
)
_COMMAND_TERMS = terms_of_form("trigger_id", "command", "user_id", "user_name", "channel_id", "team_id")
_TYPED = TypedEvents(MODELS)

SLACK = Provider(
    name="slack",
    title="Slack",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=sample_headers,
    sample_event="app_mention",
    signature_headers=(_SIGNATURE,),
    handshake=handshake,
    success_status=200,
    success_body=b"",
    deadline_s=3.0,
    terms=terms,
    model=_TYPED.model,
    compare=_TYPED.compare,
    retry_schedule_s=_RETRY_SCHEDULE_S,
    disabled_advice=(
        "Slack does not send again what failed; look under Event Subscriptions of the app whether events are "
        "still enabled: Slack disables them if over 95% of the tries of an hour fail"
    ),
)
