"""Linear: signatures by the documented recipe, the time in the body, and the same event in another try.

Linear publishes no vector: the tests compute the signature with hmac alone.
"""

import hmac

import pytest
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.linear import LINEAR
from sources.secret import Secret
from sources.signed_request import SignedRequest

SECRET = Secret("lin_wh_sample_secret")
SENT_MS = 1_795_000_000_508
CREATED = (
    b'{"action":"create","actor":{"id":"b5ea5f1f","type":"user","name":"Ada","email":"Ada@Example.com"},'
    b'"createdAt":"2026-11-18T11:06:39.837Z","data":{"id":"2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9","number":1778,'
    b'"identifier":"LIN-1778","title":"Login fails","sortOrder":-86.81,"state":{"id":"c02edc3a","name":"Todo"},'
    b'"team":{"id":"72b2a2dc","key":"LIN"}},"type":"Issue","url":"https://linear.app/issue/LIN-1778/login-fails",'
    b'"organizationId":"dc844923","webhookTimestamp":1795000000508,"webhookId":"000042e3"}'
)


def recipe(body: bytes, secret: Secret = SECRET) -> str:
    return hmac.digest(secret.reveal(), body, "sha256").hex()


def verify(signature: str, body: bytes = CREATED, *, now_s: float = SENT_MS / 1000) -> None:
    headers = CIMultiDict({"Linear-Signature": signature})
    LINEAR.verify(SignedRequest(body, headers, now_s=now_s), secrets=[Secret("new"), SECRET])


def test_the_documented_recipe_verifies() -> None:
    verify(recipe(CREATED))
    assert LINEAR.sign(SignedRequest(CREATED, {}), SECRET) == {"linear-signature": recipe(CREATED)}


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "linear-signature is missing"),
        ("sha256=" + recipe(CREATED), "any configured secret"),
        (recipe(CREATED).upper(), "any configured secret"),
        (recipe(CREATED, Secret("a third")), "any configured secret"),
        (recipe(CREATED.replace(b"1795000000508", b"1795000000509")), "any configured secret"),
    ],
)
def test_forged_variants_are_refused(signature: str, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(signature)


@pytest.mark.parametrize(("late_s", "when"), [(61, "old"), (-61, "in the future")])
def test_a_time_outside_of_one_minute_is_refused(late_s: int, when: str) -> None:
    verify(recipe(CREATED), now_s=SENT_MS / 1000 + 59)
    with pytest.raises(SignatureError, match=f"webhookTimestamp is 61 s {when}"):
        verify(recipe(CREATED), now_s=SENT_MS / 1000 + late_s)


@pytest.mark.parametrize("sent_at", [b'"1795000000508"', b"true", b"null", b"-1", b"1.5", b"9" * 30, b"[]"])
def test_a_signed_body_needs_its_time(sent_at: bytes) -> None:
    body = b'{"type":"Issue","webhookTimestamp":' + sent_at + b"}"
    with pytest.raises(SignatureError, match="the body has no webhookTimestamp"):
        verify(recipe(body), body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b"\xff"])
def test_a_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError, match="the body has no webhookTimestamp"):
        verify(recipe(body), body)


def test_the_time_is_checked_only_after_the_signature() -> None:
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(recipe(CREATED, Secret("a third")), now_s=0)


def test_another_try_has_another_time_and_delivery_id_and_is_the_same_event() -> None:
    again = CREATED.replace(b"1795000000508", b"1795003600123")
    assert again != CREATED
    verify(recipe(again), again, now_s=1_795_003_600)
    first = LINEAR.decode(CREATED, "", {"linear-delivery": "1"})
    assert LINEAR.decode(again, "", {"linear-delivery": "2"}).identity == first.identity


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"39.837Z", b"39.838Z"), (b'"create"', b'"update"'), (b"LIN-1778", b"LIN-1779"), (b"000042e3", b"000042e4")],
)
def test_another_event_is_not_a_duplicate(old: bytes, new: bytes) -> None:
    assert LINEAR.decode(CREATED.replace(old, new), "").identity != LINEAR.decode(CREATED, "").identity


def test_the_name_of_the_time_in_a_text_is_part_of_the_event() -> None:
    bodies = [CREATED.replace(b"Login fails", rb"\"webhookTimestamp\":" + digit) for digit in (b"1", b"2")]
    assert LINEAR.decode(bodies[0], "").identity != LINEAR.decode(bodies[1], "").identity


def test_an_event_is_decoded() -> None:
    event = LINEAR.decode(CREATED, "")
    assert (event.name, event.occurred_at_ms, event.remember_s) == ("Issue.create", 1_794_999_999_837, None)
    found = LINEAR.terms(CREATED)
    assert found[0] == "lin-1778"
    assert {"2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9", "ada@example.com"} <= set(found)


def test_an_event_without_action_or_time_is_decoded_too() -> None:
    event = LINEAR.decode(b'{"type":"OAuthApp","webhookTimestamp":1}', "")
    assert (event.name, event.occurred_at_ms, event.remember_s) == ("OAuthApp", None, 7 * 3600)
