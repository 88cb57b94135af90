"""Linear: issues, comments, projects and all other changes in a workspace.

linear.app/developers/webhooks. The signature is HMAC-SHA256 of the body. The time that Linear asks to compare with
the clock, one minute at most, is `webhookTimestamp` in the body, so it is read after the signature was checked.

`webhookTimestamp` is the time at which a try was sent, and Linear-Delivery is not signed. So an event is
identified by a hash of its body without `webhookTimestamp`: `createdAt`, ids and action distinguish events.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from sources.errors import DecodeError, SignatureError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.linear.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, view
from sources.shared.signature import check_hmac, check_time, hmac_text, in_hex, required
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE, _SENT_AT = "linear-signature", "webhookTimestamp"
_TOLERANCE_S = 60.0
_MAX_MS = 10**15

_SENT_AT_KEY = re.compile(rb'"webhookTimestamp"\s*:\s*[0-9]+')

_RETRY_SCHEDULE_S = (60.0, 3600.0, 6 * 3600.0)


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature of the body, and the time in it. Raises SignatureError."""
    signature = required(request, _SIGNATURE)
    check_hmac(request.body, [signature], (secret.reveal() for secret in secrets))
    check_time(_SENT_AT, _sent_at(request.body), request.now_s, tolerance_s=_TOLERANCE_S, unit_s=0.001)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of a body."""
    return {_SIGNATURE: hmac_text(secret.reveal(), request.body, encode=in_hex)}


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is type and action, such as `Issue.create`."""
    content = parse_object(body)
    kind, action = text_at(content, "type"), text_at(content, "action")
    created_at_ms = milliseconds(content.get("createdAt"))
    return Event(
        name=f"{kind}.{action}" if kind and action else kind or hint or UNKNOWN,
        identity=hash_of(_SENT_AT_KEY.sub(b"", body)),
        occurred_at_ms=created_at_ms,
        data=content,
        kind="event",
        remember_s=None if created_at_ms is not None else _RETRY_SCHEDULE_S[-1] + 3600,
    )


def sample(number: int, event: str) -> bytes:
    """A body of an event such as `Issue.create`, sent now."""
    kind, _, action = event.partition(".")
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content = {
        "action": action or "create",
        "actor": {"id": _uuid("actor"), "type": "user", "name": "Ada", "email": "ada@example.com"},
        "createdAt": moment,
        "data": {
            "id": _uuid(f"{kind}/{number}"),
            "createdAt": moment,
            "updatedAt": moment,
            "number": number,
            "identifier": f"ENG-{number}",
            "title": f"Sample {number}",
            **({"body": f"Sample {number}", "issueId": _uuid("issue")} if kind == "Comment" else {}),
            "priority": 2,
            "priorityLabel": "High",
            "state": {"id": _uuid("state"), "name": "Todo", "type": "unstarted"},
            "team": {"id": _uuid("team"), "key": "ENG", "name": "Engineering"},
        },
        "url": f"https://linear.app/sample/issue/ENG-{number}/sample-{number}",
        "type": kind,
        "organizationId": _uuid("organization"),
        _SENT_AT: int(time.time() * 1000),
        "webhookId": _uuid("webhook"),
    }
    return msgspec.json.encode(content)


def sample_headers(number: int, event: str) -> Mapping[str, str]:
    """The headers beside the signature, of which none is needed."""
    return {"linear-event": event.partition(".")[0], "linear-delivery": _uuid(f"delivery/{event}/{number}")}


def _sent_at(body: bytes) -> str:
    """The time in a signed body, in ms. Raises SignatureError."""
    try:
        sent_at = parse_object(body).get(_SENT_AT)
    except DecodeError:
        sent_at = None
    if not isinstance(sent_at, int) or isinstance(sent_at, bool) or not 0 <= sent_at < _MAX_MS:
        raise SignatureError(f"the body has no {_SENT_AT}, a whole number of milliseconds since 1970")
    return str(sent_at)


def _uuid(seed: str) -> str:
    return str(UUID(hash_of(seed.encode())))


_TYPED = TypedEvents(MODELS)

LINEAR = Provider(
    name="linear",
    title="Linear",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=sample_headers,
    sample_event="Issue.create",
    signature_headers=(_SIGNATURE,),
    success_status=200,
    deadline_s=5.0,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("identifier", "id", "issueId", "projectId", "userId"),
    retry_schedule_s=_RETRY_SCHEDULE_S,
    disabled_advice="look in Linear's settings, section API, whether the webhook is disabled, and enable it again",
)
