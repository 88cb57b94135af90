"""Adyen: standard webhooks of payments.

docs.adyen.com, "Verify HMAC signatures" and "Handle webhook events". One body holds `notificationItems`, and
each item carries its own signature: HMAC-SHA256 in base64, with a key in hex, over eight of its values. A body
is accepted only if all of its items are signed.

Nothing else in an item is signed, such as eventDate, reason and additionalData: an attacker who has recorded an
item can send it again with others. So the identity is made of the eight values, and such an item is a duplicate.
It covers `success` too: Adyen may report the same payment first as refused and then as authorised.
"""

from __future__ import annotations

import binascii
import hmac
import secrets as random_secrets
from base64 import b64encode
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sources.errors import DecodeError, SignatureError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.adyen.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import decode_error, hash_of, milliseconds, parse_object, text_at, view
from sources.shared.signature import check_hmac
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_ITEMS, _ITEM = "notificationItems", "NotificationRequestItem"
_SIGNATURE = ("additionalData", "hmacSignature")


class _Wrapped(msgspec.Struct, rename={"item": _ITEM}):
    item: msgspec.Raw


class _Body(msgspec.Struct, rename={"items": _ITEMS}):
    items: list[_Wrapped]


_decode_body = msgspec.json.Decoder(_Body).decode


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature of each item. Raises SignatureError."""
    try:
        items = [parse_object(item) for item in split(request.body)]
    except DecodeError as error:
        raise SignatureError(f"the signature cannot be read, since the body is malformed: {error}") from None
    if not items:
        raise SignatureError(f"the body has no {_ITEMS}, and so no signature")
    keys = [binascii.unhexlify(secret.reveal()) for secret in secrets]
    for item in items:
        signature = text_at(item, *_SIGNATURE)
        if not signature:
            raise SignatureError("an item has no signature: set an HMAC key for this webhook at Adyen")
        check_hmac(_signed(item), [signature], keys, encode=b64encode)


def sign_body(request: SignedRequest, secret: Secret) -> bytes:
    """The body with a signature in each item; a body of another form is returned unchanged."""
    try:
        content = parse_object(request.body)
        items = [wrapped[_ITEM] for wrapped in content[_ITEMS]]
        for item in items:
            digest = hmac.digest(binascii.unhexlify(secret.reveal()), _signed(item), "sha256")
            item.setdefault("additionalData", {})["hmacSignature"] = b64encode(digest).decode()
    except (DecodeError, KeyError, TypeError, AttributeError):
        return request.body
    return msgspec.json.encode(content)


def split(body: bytes) -> Sequence[bytes]:
    """The items of a body, each with its bytes unchanged; any other object is the only item. Raises
    DecodeError."""
    if _ITEMS not in parse_object(body):
        return [body]
    try:
        return [bytes(wrapped.item) for wrapped in _decode_body(body.removeprefix(BOM_UTF8)).items]
    except msgspec.MsgspecError as error:
        raise decode_error(error) from None


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the item has all
    """The event in an item; its name is `eventCode`, such as AUTHORISATION."""
    content = parse_object(body)
    return Event(
        name=text_at(content, "eventCode") or hint or UNKNOWN,
        identity=hash_of(_signed(content)),
        occurred_at_ms=milliseconds(content.get("eventDate")),
        data=content,
        kind="event",
    )


def check_secret(secret: Secret) -> str:
    """Why a text is no HMAC key, "" if it is one."""
    try:
        is_key = bool(binascii.unhexlify(secret.reveal()))
    except ValueError:
        is_key = False
    return "" if is_key else "not an HMAC key of Adyen: expected hex digits, as the Customer Area showed them"


def sample(number: int, event: str) -> bytes:
    """A body with one item, which is not signed yet."""
    item = {
        "additionalData": {"shopperEmail": f"member{number}@example.com"},
        "amount": {"currency": "EUR", "value": 1999},
        "eventCode": event,
        "eventDate": datetime.now(UTC).isoformat(timespec="seconds"),
        "merchantAccountCode": "ExampleMerchant",
        "merchantReference": f"order-{number:08d}",
        "paymentMethod": "visa",
        "pspReference": f"{number:016d}",
        "reason": "",
        "success": "true",
    }
    return msgspec.json.encode({"live": "false", _ITEMS: [{_ITEM: item}]})


def _signed(item: Mapping[str, Any]) -> bytes:
    amount = item.get("amount")
    amount = amount if isinstance(amount, dict) else {}
    names = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
    values = [item.get(name) for name in names]
    values += [amount.get("value"), amount.get("currency"), item.get("eventCode"), item.get("success")]
    # Not escaped, so a colon could blur two values; the identity stays the same then.
    return ":".join("" if value is None else str(value) for value in values).encode("utf-8", "surrogatepass")


_TYPED = TypedEvents(MODELS)

ADYEN = Provider(
    name="adyen",
    title="Adyen",
    verify=verify,
    sign=lambda _request, _secret: {},
    sign_body=sign_body,
    check_secret=check_secret,
    new_secret=lambda: random_secrets.token_hex(32).upper(),
    split=split,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="AUTHORISATION",
    signature_headers=(),
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("pspReference", "merchantReference", "originalReference", "shopperReference"),
)
"""Adyen retries for 30 days and disables nothing, so it has no schedule that could run out."""
