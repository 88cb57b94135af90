"""GitLab: both kinds of secrets, names and identities."""

import hmac
import json
from base64 import b64encode

import pytest
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.gitlab import GITLAB
from sources.secret import Secret
from sources.signed_request import SignedRequest

KEY = b"a key of thirty-two bytes, no more"
SIGNING, TOKEN = Secret("whsec_" + b64encode(KEY).decode()), Secret("a secret token")
SENT_S = 1_764_300_000
MERGE_REQUEST = {
    "object_kind": "merge_request",
    "event_type": "merge_request",
    "user": {"id": 1, "name": "Administrator", "username": "root", "email": "admin@example.com"},
    "project": {"id": 1, "name": "Gitlab Test", "path_with_namespace": "gitlabhq/gitlab-test"},
    "object_attributes": {
        "id": 99,
        "iid": 1,
        "title": "MS-Viewport",
        "state": "opened",
        "action": "open",
        "updated_at": "2026-11-28 04:20:00 UTC",
    },
}
BODY = json.dumps(MERGE_REQUEST).encode()


def signed(body: bytes = BODY, event_id: str = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f") -> dict[str, str]:
    """The headers by the recipe: HMAC-SHA256 over id, time and body."""
    digest = hmac.digest(KEY, f"{event_id}.{SENT_S}.".encode() + body, "sha256")
    return {
        "X-Gitlab-Event": "Merge Request Hook",
        "Idempotency-Key": event_id,
        "webhook-id": event_id,
        "webhook-timestamp": str(SENT_S),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }


def verify(headers: dict[str, str], *secrets: Secret, body: bytes = BODY) -> None:
    GITLAB.verify(SignedRequest(body, CIMultiDict(headers), now_s=SENT_S + 1), secrets=secrets)


def test_a_signing_token_verifies_and_a_changed_body_does_not() -> None:
    verify(signed(), SIGNING)
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(signed(), SIGNING, body=BODY + b" ")


def test_a_secret_token_verifies_as_it_is() -> None:
    verify({"X-Gitlab-Token": "a secret token"}, Secret("the next one"), TOKEN)


@pytest.mark.parametrize(
    ("headers", "secrets", "reason"),
    [
        ({}, (TOKEN,), "x-gitlab-token is missing"),
        ({"X-Gitlab-Token": "A secret token"}, (TOKEN,), "any configured secret"),
        ({"X-Gitlab-Token": SIGNING.reveal().decode()}, (SIGNING,), "webhook-id is missing"),
        (signed() | {"webhook-timestamp": str(SENT_S + 600)}, (SIGNING,), "in the future"),
        (signed(), (TOKEN,), "x-gitlab-token is missing"),
    ],
)
def test_the_error_names_the_step(headers: dict[str, str], secrets: tuple[Secret, ...], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(headers, *secrets)


def test_both_kinds_of_secrets_are_accepted_while_webhooks_move() -> None:
    verify(signed(), TOKEN, SIGNING)
    verify({"X-Gitlab-Token": "a secret token"}, TOKEN, SIGNING)


def test_a_signature_in_other_headers_cannot_get_another_identity() -> None:
    renamed = {name.replace("webhook-", "svix-"): value for name, value in signed().items()}
    with pytest.raises(SignatureError, match="webhook-id is missing"):
        verify(renamed | {"Idempotency-Key": "forged"}, SIGNING)


def test_a_retry_is_the_same_event() -> None:
    headers = {name.lower(): value for name, value in signed().items()}
    first = GITLAB.decode(BODY, "", headers)
    again = GITLAB.decode(BODY, "", headers | {"webhook-timestamp": str(SENT_S + 60)})
    assert first.identity == again.identity == "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"
    assert first.remember_s is None
    assert GITLAB.decode(BODY, "", {"idempotency-key": first.identity}).identity == first.identity
    assert GITLAB.decode(BODY, "", {}).remember_s == 86_400


def test_a_realistic_body_is_decoded() -> None:
    event = GITLAB.decode(BODY, "", {})
    assert (event.name, event.occurred_at_ms) == ("merge_request.open", 1_795_839_600_000)
    assert GITLAB.terms(BODY)[0] == "gitlabhq/gitlab-test"
    assert "admin@example.com" in GITLAB.terms(BODY)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"object_kind":"push","ref":"refs/heads/main"}', "push"),
        (b'{"object_kind":"release","action":"create"}', "release.create"),
        (b'{"event_name":"project_create"}', "project_create"),
        (b'{"action":"x"}', "unknown"),
    ],
)
def test_the_name_comes_from_the_body(body: bytes, name: str) -> None:
    assert GITLAB.decode(body, "", {"x-gitlab-event": "Forged Hook"}).name == name


def test_a_signing_token_that_is_cut_off_is_no_secret() -> None:
    assert "whsec_" in GITLAB.check_secret(Secret("whsec_!"))
    assert GITLAB.check_secret(TOKEN) == ""
