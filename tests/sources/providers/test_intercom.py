"""Intercom: signatures by the documented recipe, the check of a new URL, and the same notification again.

Intercom publishes no vector: the tests compute the signature with hmac alone.
"""

import hmac

import pytest
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.intercom import INTERCOM
from sources.secret import Secret
from sources.signed_request import SignedRequest

SECRET = Secret("client-secret-of-the-app")
CREATED = (
    b'{"type":"notification_event","app_id":"i6wc9ipe","data":{"type":"notification_event_data","item":{"type":'
    b'"conversation","id":"21321941764","created_at":1794999999,"state":"open","source":{"type":"conversation",'
    b'"body":"<p>Hello everyone!</p>","author":{"type":"user","id":"5c9553cb27e3","name":"Ada","email":'
    b'"Ada@Example.com"}},'
    b'"contacts":{"type":"contact.list","contacts":[{"type":"contact","id":"5c9553cb27e3","external_id":"crm-7"}]}}},'
    b'"links":{},"id":"notif_3ac27816-d27c-45fd-a65a-bbaf021cf780","topic":"conversation.user.created",'
    b'"delivery_status":"pending","delivery_attempts":1,"delivered_at":0,"first_sent_at":1795000000,"created_at":'
    b'1795000000,"self":null}'
)
PING = (
    b'{"type":"notification_event","app_id":"i6wc9ipe","data":{"type":"notification_event_data","item":{"type":"ping",'
    b'"message":"something"}},"id":null,"topic":"ping","delivery_attempts":1,"created_at":1795000000}'
)


def recipe(body: bytes, algorithm: str = "sha1", secret: Secret = SECRET) -> str:
    return f"{algorithm}={hmac.digest(secret.reveal(), body, algorithm).hex()}"


def verify(signature: str, body: bytes = CREATED) -> None:
    headers = CIMultiDict({"X-Hub-Signature": signature})
    INTERCOM.verify(SignedRequest(body, headers), secrets=[Secret("new"), SECRET])


def test_the_documented_recipe_verifies() -> None:
    verify(recipe(CREATED))
    assert INTERCOM.sign(SignedRequest(CREATED, {}), SECRET) == {"x-hub-signature": recipe(CREATED)}


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "x-hub-signature is missing"),
        (recipe(CREATED)[5:], "malformed: expected sha1="),
        (recipe(CREATED, "sha256"), "malformed"),
        ("sha1=" + recipe(CREATED, "sha256")[7:], "any configured secret"),
        (recipe(CREATED, secret=Secret("a third")), "any configured secret"),
        (recipe(CREATED + b"\n"), "any configured secret"),
    ],
)
def test_forged_variants_are_refused(signature: str, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(signature)


def test_a_notification_that_is_sent_again_is_the_same_event() -> None:
    again = CREATED.replace(b'"delivery_attempts":1', b'"delivery_attempts":2')
    assert again != CREATED
    assert INTERCOM.decode(again, "").identity == INTERCOM.decode(CREATED, "").identity


def test_a_notification_is_decoded() -> None:
    event = INTERCOM.decode(CREATED, "")
    assert (event.name, event.identity) == (
        "conversation.user.created",
        "notif_3ac27816-d27c-45fd-a65a-bbaf021cf780",
    )
    assert (event.occurred_at_ms, event.remember_s) == (1_795_000_000_000, None)
    assert {"21321941764", "crm-7", "5c9553cb27e3", "ada@example.com"} <= set(INTERCOM.terms(CREATED))


def test_a_ping_is_an_event_without_an_id() -> None:
    event = INTERCOM.decode(PING, "")
    assert (event.name, event.remember_s) == ("ping", 3 * 3600)
    assert event.identity != INTERCOM.decode(PING.replace(b"1795000000", b"1795000001"), "").identity
    assert INTERCOM.handshake is not None
    assert INTERCOM.handshake(SignedRequest(PING, {})) is None


def test_a_new_url_is_checked_with_head() -> None:
    assert INTERCOM.handshake is not None
    answer = INTERCOM.handshake(SignedRequest(b"", {}, "HEAD"))
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"")
    assert INTERCOM.handshake(SignedRequest(b"", {}, "GET")) is None
