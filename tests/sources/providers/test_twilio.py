"""Twilio: the published vectors of forms and JSON, ports, and what a forged form can be."""

import hashlib
import json
from urllib.parse import urlencode

import pytest
from multidict import CIMultiDict

from sources.errors import DecodeError, SignatureError
from sources.providers.twilio import TWILIO
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

FORM, JSON = VECTORS["twilio_form"], VECTORS["twilio_json"]
TOKEN = Secret(FORM["token"])
FORM_BODY = urlencode(FORM["params"]).encode()

MESSAGE = urlencode(
    {
        "SmsSid": "SM1234567890abcdef1234567890abcdef",
        "SmsStatus": "delivered",
        "MessageStatus": "delivered",
        "To": "+15558675310",
        "MessageSid": "SM1234567890abcdef1234567890abcdef",
        "AccountSid": "AC1234567890abcdef1234567890abcdef",
        "From": "+15017122661",
        "ApiVersion": "2010-04-01",
    }
).encode()
STREAM = json.dumps(
    [
        {
            "specversion": "1.0",
            "type": "com.twilio.messaging.message.delivered",
            "source": "/2010-04-01/Accounts/AC1/Messages/SM1.json",
            "id": f"EZ{number}",
            "time": "2026-11-28T04:20:00.000Z",
            "data": {"messageSid": "SM1", "to": "+15558675310"},
        }
        for number in (1, 2)
    ]
).encode()


def verify(body: bytes, url: str, signature: str, *secrets: Secret) -> None:
    headers = CIMultiDict({"X-Twilio-Signature": signature})
    TWILIO.verify(SignedRequest(body, headers, url=url), secrets=secrets or [TOKEN])


def resigned(body: bytes, url: str) -> str:
    return TWILIO.sign(SignedRequest(body, {}, url=url), TOKEN)["x-twilio-signature"]


def test_the_published_vector_of_a_form_verifies() -> None:
    verify(FORM_BODY, FORM["url"], FORM["X-Twilio-Signature"], Secret("old"), TOKEN)


def test_the_published_vector_of_json_verifies_and_its_body_is_checked() -> None:
    verify(JSON["body"].encode(), JSON["url"], JSON["X-Twilio-Signature"])
    with pytest.raises(SignatureError, match="bodySHA256 in the URL is not"):
        verify(JSON["body"].encode() + b" ", JSON["url"], JSON["X-Twilio-Signature"])
    with pytest.raises(SignatureError, match="no bodySHA256"):
        verify(JSON["body"].encode(), FORM["url"], JSON["X-Twilio-Signature"])


@pytest.mark.parametrize("base", ["https://mycompany.com", "https://mycompany.com:443"])
def test_the_port_may_be_in_the_signed_url_or_not(base: str) -> None:
    url = FORM["url"].replace("https://mycompany.com", base)
    for signed_url in (FORM["url"], FORM["url"].replace(".com/", ".com:443/")):
        verify(FORM_BODY, url, resigned(FORM_BODY, signed_url))
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(FORM_BODY, url, resigned(FORM_BODY, FORM["url"].replace(".com/", ".com:8443/")))


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (FORM_BODY, FORM["url"].replace("foo=1", "foo=2")),
        (FORM_BODY, FORM["url"].replace("https", "http")),
        (FORM_BODY.replace(b"1234", b"1235", 1), FORM["url"]),
        (FORM_BODY + b"&Extra=1", FORM["url"]),
        (b"", FORM["url"]),
    ],
)
def test_a_forged_url_or_form_is_refused(body: bytes, url: str) -> None:
    with pytest.raises(SignatureError):
        verify(body, url, FORM["X-Twilio-Signature"])


def test_without_a_signature_the_header_is_named() -> None:
    with pytest.raises(SignatureError, match="x-twilio-signature is missing"):
        TWILIO.verify(SignedRequest(FORM_BODY, {}, url=FORM["url"]), secrets=[TOKEN])


def test_a_form_whose_names_and_values_are_divided_in_another_way_is_a_duplicate() -> None:
    """Twilio's scheme cannot refuse it, since it joins names and values without a separator."""
    divided = FORM_BODY.replace(b"Digits=1234", b"Digits1=234")
    verify(divided, FORM["url"], FORM["X-Twilio-Signature"])
    assert TWILIO.decode(divided, "").identity == TWILIO.decode(FORM_BODY, "").identity


def test_a_retry_is_the_same_event_and_the_next_status_is_not() -> None:
    first = TWILIO.decode(MESSAGE, "")
    assert TWILIO.decode(b"&".join(reversed(MESSAGE.split(b"&"))), "").identity == first.identity
    assert TWILIO.decode(MESSAGE.replace(b"delivered", b"read"), "").identity != first.identity
    assert (first.name, first.remember_s) == ("message.delivered", None)


def test_templates_see_the_parameters_of_a_form() -> None:
    assert TWILIO.view(MESSAGE)["To"] == "+15558675310"
    assert TWILIO.view(b"a=1&a=2&b=")["a"] == ["1", "2"]
    assert TWILIO.terms(MESSAGE)[:2] == ("sm1234567890abcdef1234567890abcdef", "15017122661")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"CallSid=CA1&CallStatus=completed&Timestamp=Sat%2C+28+Nov+2026+04%3A20%3A00+%2B0000", "call.completed"),
        (b"CallSid=CA1&RecordingSid=RE1&RecordingStatus=completed", "recording.completed"),
        (b"ConferenceSid=CF1&StatusCallbackEvent=participant-join", "conference.participant-join"),
        (b"MessageSid=SM1&SmsStatus=received&Body=hi", "message.received"),
        (b"Other=1", "unknown"),
    ],
)
def test_the_name_is_the_status(body: bytes, name: str) -> None:
    event = TWILIO.decode(body, "")
    assert event.name == name
    assert event.occurred_at_ms == (1_795_839_600_000 if b"Timestamp" in body else None)
    assert event.remember_s == (3600 if name == "unknown" else None)


def test_an_event_stream_holds_events_with_ids_of_their_own() -> None:
    url = f"https://mycompany.com/stream?bodySHA256={hashlib.sha256(STREAM).hexdigest()}"
    verify(STREAM, url, resigned(STREAM, url))
    assert TWILIO.split is not None
    events = [TWILIO.decode(item, "") for item in TWILIO.split(STREAM)]
    assert [event.identity for event in events] == ["EZ1", "EZ2"]
    assert {event.name for event in events} == {"com.twilio.messaging.message.delivered"}
    assert events[0].occurred_at_ms == 1_795_839_600_000


@pytest.mark.parametrize("body", [b"", b"&", b"a=%ff", b"\xff=1", b"&".join([b"a=1"] * 1001)])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        TWILIO.view(body)
