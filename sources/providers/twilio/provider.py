"""Twilio: status callbacks of messages and calls, which are forms, and Event Streams, which are JSON.

twilio.com, "Webhooks security", and twilio/request_validator.py in its Python library. What is signed, by
HMAC-SHA1 in base64, is the URL followed by the sorted names and values of the form. For JSON the URL has the
hash of the body in `bodySHA256`, and only the URL is signed. Twilio may sign the URL with or without its port.

Names and values are joined without a separator, so an attacker who has recorded a form can move the limits
between them: `A=BC` has the signature of `AB=C`. So the identity of a form is made of the joined text, and a
form that was changed in that way is a duplicate. There is no time: a recorded request is a duplicate too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.twilio.models import MODELS
from sources.providers.twilio.signature import SIGNATURE, joined, sign, verify
from sources.shared import json_body
from sources.shared.form_body import is_json, parse_form, terms_of_form
from sources.shared.json_body import hash_of, milliseconds, parse_object, split_array, text_at
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers

_REMEMBER_S = 3600.0
"""Seconds for which a form without an id is remembered: Twilio retries once, at once."""

_STATUS = {
    "RecordingStatus": "recording",
    "MessageStatus": "message",
    "SmsStatus": "message",
    "CallStatus": "call",
    "StatusCallbackEvent": "conference",
}
"""The parameters that name an event, and the thing whose event it is."""

_INBOUND = "message.received"
"""The event of a message to one of your numbers, which has no `MessageStatus`."""


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a form, such as `message.delivered`, or in an item of Event Streams, whose name is `type`."""
    if is_json(body):
        content = parse_object(body)
        event_id, occurred_at_ms = text_at(content, "id"), milliseconds(content.get("time"))
        name = text_at(content, "type")
    else:
        content = parse_form(body)
        event_id, occurred_at_ms = "", _milliseconds(content.get("Timestamp"))
        name = next((f"{thing}.{content[key]}" for key, thing in _STATUS.items() if content.get(key)), "")
    has_id = bool(event_id) or any(key.endswith("Sid") and key != "AccountSid" for key in content)
    return Event(
        name=name or hint or UNKNOWN,
        identity=event_id or hash_of(body if is_json(body) else joined(content)),
        occurred_at_ms=occurred_at_ms,
        data=content,
        kind="event",
        remember_s=None if has_id else _REMEMBER_S,
    )


def view(body: bytes) -> Mapping[str, Any]:
    """The parameters of a form, or the JSON of an item. Raises DecodeError."""
    return json_body.view(body) if is_json(body) else parse_form(body)


def sample(number: int, event: str) -> bytes:
    """A form as Twilio sends it for `message.STATUS`, `call.STATUS` or another event in `_STATUS`."""
    thing, _, status = event.partition(".")
    key = next((key for key, name in _STATUS.items() if name == thing), "MessageStatus")
    key = "SmsStatus" if event == _INBOUND else key
    sid = {"MessageStatus": "MessageSid", "SmsStatus": "MessageSid", "StatusCallbackEvent": "ConferenceSid"}.get(
        key, f"{thing.title()}Sid"
    )
    seed = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
    form = {
        "AccountSid": "AC" + "0" * 32,
        "ApiVersion": "2010-04-01",
        sid: sid[:2].upper() + seed,
        key: status,
        "From": "+14158675309",
        "To": f"+1800{number % 10**7:07d}",
        **({"Body": f"Sample {number}", "NumMedia": "0"} if event == _INBOUND else {}),
    }
    return urlencode(form).encode()


def _milliseconds(timestamp: object) -> int | None:
    """The ms since 1970 of a time like `Tue, 01 Dec 2026 10:00:00 +0000`; None for anything else."""
    try:
        return int(parsedate_to_datetime(timestamp).timestamp() * 1000) if isinstance(timestamp, str) else None
    except (ValueError, OverflowError, OSError):
        return None


_STREAM_TERMS = terms_of_keys("id", "messageSid", "callSid", "from", "to")
_FORM_TERMS = terms_of_form("MessageSid", "SmsSid", "CallSid", "RecordingSid", "ConferenceSid", "From", "To")

_TYPED = TypedEvents(MODELS)

TWILIO = Provider(
    name="twilio",
    title="Twilio",
    verify=verify,
    sign=sign,
    split=lambda body: split_array(body) if is_json(body) else [body],
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=lambda _number, _event: {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
    sample_event="message.delivered",
    signature_headers=(SIGNATURE,),
    signs_url=True,
    deadline_s=15.0,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=lambda body: (_STREAM_TERMS if is_json(body) else _FORM_TERMS)(body),
)
"""Twilio retries a callback once by default, so it has no schedule that could run out."""
