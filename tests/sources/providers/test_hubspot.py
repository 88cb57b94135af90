"""HubSpot: the published vector, time, URL, and the events in an array."""

import json

import pytest
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.hubspot import HUBSPOT
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["hubspot_v3"]
BODY, SECRET, SENT_S = VECTOR["body"].encode(), Secret(VECTOR["secret"]), int(VECTOR["timestamp"]) / 1000
HEADERS = {
    "X-HubSpot-Signature-v3": VECTOR["X-HubSpot-Signature-v3"],
    "X-HubSpot-Request-Timestamp": VECTOR["timestamp"],
}
CREATED = {
    "eventId": 1,
    "subscriptionId": 12345,
    "portalId": 62515,
    "occurredAt": 1564113600000,
    "subscriptionType": "contact.creation",
    "attemptNumber": 0,
    "objectId": 123,
    "changeSource": "CRM",
    "changeFlag": "NEW",
    "appId": 54321,
}
CHANGED = CREATED | {"subscriptionType": "contact.propertyChange", "propertyName": "email", "subscriptionId": 2}


def verify(
    *,
    body: bytes = BODY,
    url: str = VECTOR["url"],
    method: str = "POST",
    headers: dict[str, str] = HEADERS,
    now_s: float = SENT_S,
) -> None:
    request = SignedRequest(body, CIMultiDict(headers), method, url, now_s)
    HUBSPOT.verify(request, secrets=[Secret("old"), SECRET])


def test_the_published_vector_verifies_for_five_minutes() -> None:
    verify()
    verify(now_s=SENT_S + 299)
    with pytest.raises(SignatureError, match="x-hubspot-request-timestamp is 301 s old"):
        verify(now_s=SENT_S + 301)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"body": BODY + b" "}, "any configured secret"),
        ({"url": VECTOR["url"] + "?a=1"}, "any configured secret"),
        ({"method": "PUT"}, "any configured secret"),
        ({"headers": HEADERS | {"X-HubSpot-Request-Timestamp": "15000001"}}, "any configured secret"),
        ({"headers": HEADERS | {"X-HubSpot-Request-Timestamp": "soon"}}, "is malformed"),
        ({"headers": {"X-HubSpot-Signature": "x"}}, "x-hubspot-signature-v3 is missing"),
    ],
)
def test_a_forged_request_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(**change)  # type: ignore[arg-type]


def test_some_characters_of_the_url_are_decoded_before_it_is_signed() -> None:
    def signature(url: str) -> str:
        request = SignedRequest(BODY, {}, url=f"https://www.example.com/{url}", now_s=SENT_S)
        return HUBSPOT.sign(request, SECRET)["x-hubspot-signature-v3"]

    assert signature("a%3Ab%2fc%40") == signature("a:b/c@")
    assert signature("a%20b") != signature("a b")


def test_each_item_is_an_event() -> None:
    assert HUBSPOT.split is not None
    items = HUBSPOT.split(json.dumps([CREATED, CHANGED]).encode())
    events = [HUBSPOT.decode(item, "") for item in items]
    assert [event.name for event in events] == ["contact.creation", "contact.propertyChange"]
    assert events[0].occurred_at_ms == 1564113600000
    assert events[0].identity != events[1].identity
    assert HUBSPOT.terms(items[0])[:2] == ("1", "123")


def test_a_retry_is_the_same_event_though_it_counts_its_tries() -> None:
    def identity(**changes: object) -> str:
        return HUBSPOT.decode(json.dumps(CREATED | changes).encode(), "").identity

    assert identity() == identity(attemptNumber=3)
    assert len({identity(), identity(objectId=124), identity(occurredAt=1), identity(portalId=1)}) == 4
