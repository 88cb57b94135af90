"""SendGrid: the published vector, and the events in an array."""

import pytest
from multidict import CIMultiDict

from sources.errors import DecodeError, SignatureError
from sources.providers.sendgrid import SENDGRID
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["sendgrid"]
BODY, KEY = VECTOR["body"].encode(), Secret(VECTOR["public_key"])
HEADERS = {
    "X-Twilio-Email-Event-Webhook-Signature": VECTOR["signature"],
    "X-Twilio-Email-Event-Webhook-Timestamp": VECTOR["timestamp"],
}


def verify(headers: dict[str, str], body: bytes = BODY) -> None:
    SENDGRID.verify(SignedRequest(body, CIMultiDict(headers)), secrets=[KEY])


def test_the_published_vector_verifies_with_its_final_line_break_only() -> None:
    verify(HEADERS)
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(HEADERS, BODY.rstrip())


def test_a_key_in_pem_is_the_same_key() -> None:
    text = f"-----BEGIN PUBLIC KEY-----\n{VECTOR['public_key']}\n-----END PUBLIC KEY-----\n"
    SENDGRID.verify(SignedRequest(BODY, CIMultiDict(HEADERS)), secrets=[Secret(text)])


def test_the_public_key_of_sendgrid_cannot_sign() -> None:
    with pytest.raises(SignatureError, match="private key"):
        SENDGRID.sign(SignedRequest(BODY, {}), KEY)


@pytest.mark.parametrize("text", ["x", "AAAA", "not a key at all", "\xff\xfe"])
def test_another_text_is_no_key(text: str) -> None:
    assert "verification key" in SENDGRID.check_secret(Secret(text))


def test_each_item_is_an_event_with_the_bytes_that_were_sent() -> None:
    assert SENDGRID.split is not None
    [item] = SENDGRID.split(BODY)
    assert item == BODY.strip()[1:-1]
    event = SENDGRID.decode(item, "")
    assert (event.name, event.occurred_at_ms) == ("dropped", 1600112492000)
    assert event.identity == "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA"
    assert "hello@world.com" in SENDGRID.terms(item)


def test_an_item_that_is_sent_again_beside_others_is_the_same_event() -> None:
    assert SENDGRID.split is not None
    [item] = SENDGRID.split(BODY)
    other = SENDGRID.split(SENDGRID.sample(1, "open"))[0]
    _, again = SENDGRID.split(b"[" + other + b", " + item + b"]")
    assert SENDGRID.decode(again, "").identity == SENDGRID.decode(item, "").identity
    assert SENDGRID.decode(other, "").identity != SENDGRID.decode(item, "").identity


def test_what_is_no_array_of_json_cannot_be_split() -> None:
    assert SENDGRID.split is not None
    with pytest.raises(DecodeError):
        SENDGRID.split(b"[1, ")


def test_a_second_way_to_write_the_same_signature_is_refused() -> None:
    name, written = "X-Twilio-Email-Event-Webhook-Signature", VECTOR["signature"]
    place = len(written.rstrip("=")) - 1
    for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
        if character != written[place]:
            with pytest.raises(SignatureError):
                verify(HEADERS | {name: written[:place] + character + written[place + 1 :]})
    with pytest.raises(SignatureError, match="malformed"):
        verify(HEADERS | {name: written + "\n"})
