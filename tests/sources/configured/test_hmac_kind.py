"""Providers that a table describes: published vectors, and what is refused."""

import hmac
import json
from base64 import b64encode
from typing import Any

import pytest
from multidict import CIMultiDict

from sources.configured.settings import HmacSettings
from sources.errors import DecodeError, SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.settings import Settings
from sources.signed_request import SignedRequest
from sources.source_kinds import UnknownKindError, provider_of

NOW_S = 1_800_000_000.0
SECRET = Secret("a shared secret")
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
    b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
    b"hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015."
    b"47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SQUARE_BODY = (
    b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":'
    b'"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":'
    b'{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
)


def provider(**table: Any) -> Provider:
    return provider_of(Settings(kind="hmac", hmac=HmacSettings(**({"header": "x-shop-signature"} | table))))


def request(
    body: bytes, headers: dict[str, str], *, url: str = "", now_s: float = NOW_S, method: str = "POST"
) -> SignedRequest:
    return SignedRequest(body, CIMultiDict(headers), method, url, now_s)


def error_of(kind: Provider, sent: SignedRequest, *secrets: Secret) -> str:
    with pytest.raises(SignatureError) as caught:
        kind.verify(sent, secrets=secrets or (SECRET,))
    return str(caught.value)


def test_the_published_vector_of_github_verifies() -> None:
    kind = provider(header="X-Hub-Signature-256", prefix="sha256=")
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    sent = request(b"Hello, World!", {"X-Hub-Signature-256": signature})
    kind.verify(sent, secrets=[Secret("It's a Secret to Everybody")])
    assert "does not belong" in error_of(kind, sent)


def test_the_published_vector_of_slack_verifies() -> None:
    kind = provider(
        header="x-slack-signature",
        prefix="v0=",
        signed="v0:{timestamp}:{body}",
        timestamp="header:x-slack-request-timestamp",
    )
    headers = {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    secret = Secret("8f742231b10e8888abcd99yyyzzz85a5")
    kind.verify(request(SLACK_BODY, headers, now_s=1531420618 + 299), secrets=[secret])
    late = error_of(kind, request(SLACK_BODY, headers, now_s=1531420618 + 301), secret)
    assert "x-slack-request-timestamp is 301 s old, more than 300 s" in late
    early = error_of(kind, request(SLACK_BODY, headers, now_s=1531420618 - 301), secret)
    assert "301 s in the future" in early


def test_the_published_vector_of_square_verifies_with_the_url() -> None:
    kind = provider(header="x-square-hmacsha256-signature", encoding="base64", signed="{url}{body}")
    assert kind.signs_url
    headers = {"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="}
    url, secret = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9", Secret("Ibxx_5AKakO-3qeNVR61Dw")
    kind.verify(request(SQUARE_BODY, headers, url=url), secrets=[secret])
    error_of(kind, request(SQUARE_BODY, headers, url=url + "/"), secret)


def test_a_signature_and_its_time_may_be_parts_of_one_header() -> None:
    kind = provider(
        header="stripe-signature", separator=",", prefix="v1=", timestamp="part:t", signed="{timestamp}.{body}"
    )
    good = hmac.digest(SECRET.reveal(), b"1800000000.{}", "sha256").hex()
    kind.verify(request(b"{}", {"stripe-signature": f"t=1800000000,v1=00,v1={good},v0=x"}), secrets=[SECRET])
    for header in (f"v1={good}", f"t=1800000000,t=1800000000,v1={good}", f"t=1800000000 ,v0={good}", "t=,v1=", ""):
        assert "stripe-signature" in error_of(kind, request(b"{}", {"stripe-signature": header}))
    moved = request(b"{}", {"stripe-signature": f"t=1800000001,v1={good}"})
    assert "does not belong" in error_of(kind, moved)
    many = ",".join(["t=1800000000", *["v1=00"] * 40])
    assert "at most 32 parts" in error_of(kind, request(b"{}", {"stripe-signature": many}))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize(("key", "written"), [("base64", "AP9rZXk="), ("hex", "00ff6b6579")])
def test_keys_are_decoded_and_other_hashes_are_used(algorithm: str, key: str, written: str) -> None:
    kind = provider(algorithm=algorithm, key=key, encoding="base64", timestamp_unit="ms")
    signature = b64encode(hmac.digest(b"\x00\xffkey", b"{}", algorithm)).decode()
    kind.verify(request(b"{}", {"x-shop-signature": signature}), secrets=[Secret(written)])
    assert not kind.check_secret(Secret(written))
    assert f"not {key}" in kind.check_secret(Secret("!!"))
    assert not kind.check_secret(Secret(kind.new_secret()))


def test_milliseconds_methods_and_headers_can_be_signed() -> None:
    kind = provider(
        signed="{method}{url}{timestamp}|{header:x-shop-id}|{body}",
        timestamp="header:x-time",
        timestamp_unit="ms",
        id="header:x-shop-id",
    )
    unsigned = request(b"{}", {"x-shop-id": "e-1"}, url="https://a.example/webhooks/shop")
    headers = kind.sign(unsigned, SECRET)
    assert headers["x-time"] == "1800000000000"
    signed = request(b"{}", dict(headers), url="https://a.example/webhooks/shop")
    kind.verify(signed, secrets=[SECRET])
    error_of(kind, request(b"{}", {**headers, "x-shop-id": "e-2"}, url=signed.url))
    error_of(kind, request(b"{}", dict(headers), url=signed.url, method="PUT"))
    assert "x-shop-id is missing" in error_of(
        kind, request(b"{}", {k: v for k, v in headers.items() if k != "x-shop-id"}, url=signed.url)
    )
    # The id is signed, so it identifies the event alone.
    assert kind.decode(b"{}", "", {"x-shop-id": "e-1"}).identity == "e-1"


def test_an_id_in_a_header_that_is_not_signed_counts_only_with_the_body() -> None:
    kind = provider(id="header:x-id", event="header:x-event")
    headers = {"x-id": "e-1", "x-event": "order.paid"}
    first, other = kind.decode(b"{}", "", headers), kind.decode(b"[]", "", headers)
    assert first.name == "order.paid"
    assert first.identity.startswith("e-1\x1f")
    assert first.identity != other.identity
    assert (first.remember_s, kind.decode(b"{}", "", {}).remember_s) == (None, 4 * 86_400)


@pytest.mark.parametrize(
    ("body", "name", "identity"),
    [
        (b'{"type":"paid","items":[{"id":7}]}', "paid", "7"),
        (b'{"type":5,"items":[{"id":"x"}]}', "5", "x"),
        (b'{"type":true,"items":[{"id":"x"}]}', "unknown", "x"),
        (b'{"type":{},"items":[{"id":"x"}]}', "unknown", "x"),
    ],
)
def test_names_and_ids_are_found_by_their_paths(body: bytes, name: str, identity: str) -> None:
    event = provider(event="path:type", id="path:$.items[0].id").decode(body, "from-url")
    assert (event.name, event.identity) == (name, identity)


def test_the_url_names_an_event_only_if_nothing_else_does() -> None:
    assert provider().decode(b"{}", "from-url").name == "from-url"
    assert provider().url_event(b"{}", "from-url") == "possible"
    assert provider(event="path:type").url_event(b"{}", "from-url") == "ignored"


def test_an_id_or_a_name_without_bounds_is_bounded() -> None:
    kind = provider(event="path:type", id="path:id")
    assert len(kind.decode(json.dumps({"id": "x" * 5_000}).encode(), "").identity) == 32
    with pytest.raises(DecodeError, match="longer than 200"):
        kind.decode(json.dumps({"type": "x" * 201}).encode(), "")


def test_an_array_is_split_and_its_items_keep_their_bytes() -> None:
    kind = provider(split="data.events", event="path:type", id="header:x-id")
    assert kind.split is not None
    body = b'\xef\xbb\xbf{"data": {"events": [ {"type": "a" ,"n":1.50}, {"type":"b"} ]}}'
    items = list(kind.split(body))
    assert items == [b'{"type": "a" ,"n":1.50}', b'{"type":"b"}']
    assert len({kind.decode(item, "", {"x-id": "1"}).identity for item in items}) == 2
    for other in (b'{"data":{}}', b"[]", b'{"data":{"events":null}}', b'{"data":{"events":{}}}'):
        assert list(kind.split(other)) == [other]
    with pytest.raises(DecodeError):
        kind.split(b'{"data":')


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"signed": "{timestamp}.{body}"}, "nowhere"),
        ({"timestamp": "header:x-time"}, "not signed"),
        ({"signed": "{timestamp}{body}", "timestamp": "part:t"}, "separator"),
        ({"separator": "=", "encoding": "base64"}, "would be cut there"),
        ({"separator": "a"}, "would be cut there"),
        ({"signed": "{url}"}, "must hold {body} once"),
        ({"signed": "{body}{body}"}, "must hold {body} once"),
        ({"signed": "{header:x-id}{body}"}, "bytes could be moved"),
        ({"signed": "{header:x-shop-signature}.{body}"}, "cannot be signed itself"),
        ({"signed": "{bdy}.{body}"}, "no placeholder"),
        ({"signed": "{body}}"}, "brace"),
    ],
)
def test_a_table_that_would_not_protect_the_source_is_refused(table: dict[str, str], reason: str) -> None:
    with pytest.raises(UnknownKindError) as caught:
        provider(**table)
    assert reason in str(caught.value)
