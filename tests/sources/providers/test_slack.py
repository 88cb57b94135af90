"""Slack: the vector of its own SDK, the challenge, and retries."""

import json
from urllib.parse import urlencode

import pytest
from msgspec import structs
from multidict import CIMultiDict

from sources.errors import DecodeError, SignatureError
from sources.providers.slack import SLACK
from sources.providers.slack.models import BlockActions
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["slack"]
SECRET, SENT_S = Secret(VECTOR["secret"]), int(VECTOR["X-Slack-Request-Timestamp"])
HEADERS = {name: VECTOR[name] for name in ("X-Slack-Request-Timestamp", "X-Slack-Signature")}
SIGNED = SignedRequest(VECTOR["body"].encode(), CIMultiDict(HEADERS), now_s=SENT_S)

MENTION = (
    b'{"token":"XXYYZZ","team_id":"T123ABC456","api_app_id":"A123ABC456","event":{"type":"app_mention","user":'
    b'"U061F7AUR","text":"<@U0LAN0Z89> is it everything a river should be?","ts":"1795000000.000200","channel":'
    b'"C0LAN2Q65","event_ts":"1795000000.123456"},"type":"event_callback","event_id":"Ev0PV52K21","event_time":'
    b'1795000001,"authorizations":[{"team_id":"T123ABC456","user_id":"U0LAN0Z89","is_bot":true}]}'
)
CHALLENGE = b'{"token":"Jhj5dZ","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd","type":"url_verification"}'


def verify(headers: dict[str, str], *, now_s: float = SENT_S) -> None:
    SLACK.verify(structs.replace(SIGNED, headers=CIMultiDict(headers), now_s=now_s), secrets=[SECRET])


def test_the_published_vector_verifies() -> None:
    SLACK.verify(SIGNED, secrets=[Secret("new"), SECRET])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"X-Slack-Signature": ""}, "x-slack-signature is missing"),
        ({"X-Slack-Request-Timestamp": ""}, "x-slack-request-timestamp is missing"),
        ({"X-Slack-Signature": HEADERS["X-Slack-Signature"][3:]}, "malformed: expected v0="),
        ({"X-Slack-Signature": "v0=" + "0" * 64}, "any configured secret"),
        ({"X-Slack-Request-Timestamp": "soon"}, "x-slack-request-timestamp is malformed"),
        ({"X-Slack-Request-Timestamp": str(SENT_S + 1)}, "any configured secret"),
    ],
)
def test_the_error_names_the_step(change: dict[str, str], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(HEADERS | change)


@pytest.mark.parametrize(("late_s", "when"), [(301, "old"), (-301, "in the future")])
def test_a_time_outside_of_five_minutes_is_refused(late_s: int, when: str) -> None:
    verify(HEADERS, now_s=SENT_S + 299)
    with pytest.raises(SignatureError, match=f"is 301 s {when}"):
        verify(HEADERS, now_s=SENT_S + late_s)


def test_a_retry_has_another_time_and_signature_and_is_the_same_event() -> None:
    for retry in range(3):
        headers = SLACK.sign(SignedRequest(MENTION, {}, now_s=SENT_S + 60 * retry), SECRET)
        request = CIMultiDict({**headers, "X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"})
        SLACK.verify(SignedRequest(MENTION, request, now_s=SENT_S + 60 * retry), secrets=[SECRET])
        assert SLACK.decode(MENTION, "", request).identity == "Ev0PV52K21"


def test_a_mention_is_decoded() -> None:
    event = SLACK.decode(MENTION, "")
    assert (event.name, event.occurred_at_ms, event.remember_s) == ("app_mention", 1_795_000_000_123, None)
    assert SLACK.terms(MENTION)[0] == "ev0pv52k21"
    assert {"u061f7aur", "c0lan2q65", "t123abc456"} <= set(SLACK.terms(MENTION))


@pytest.mark.parametrize("event_ts", [b'"soon"', b"3", b'"1.2"', b"null"])
def test_without_a_time_of_its_own_an_event_has_that_of_its_envelope(event_ts: bytes) -> None:
    body = MENTION.replace(b'"1795000000.123456"', event_ts)
    assert SLACK.decode(body, "").occurred_at_ms == 1_795_000_001_000


def test_what_has_no_inner_event_is_named_by_its_envelope() -> None:
    event = SLACK.decode(b'{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820}', "")
    assert (event.name, event.remember_s) == ("app_rate_limited", 3600)


def test_the_challenge_is_answered_as_json() -> None:
    assert SLACK.handshake is not None
    answer = SLACK.handshake(SignedRequest(CHALLENGE, {}))
    assert answer is not None
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert answer.body == b'{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"}'


@pytest.mark.parametrize(
    "body",
    [
        MENTION,
        b'{"type":"event_callback","challenge":"x","event":{"type":"url_verification"}}',
        b'{"type":"url_verification"}',
        b'{"type":"url_verification","challenge":7}',
        b'{"type":"url_verification","challenge":"' + b"x" * 2000 + b'"}',
        b'"url_verification"',
        b'{"url_verification"',
        b"",
    ],
)
def test_another_body_is_no_handshake(body: bytes) -> None:
    assert SLACK.handshake is not None
    assert SLACK.handshake(SignedRequest(body, {})) is None


COMMAND = VECTOR["body"].encode()


def interaction(**keys: object) -> bytes:
    return urlencode(
        {"payload": json.dumps({"type": "block_actions", "trigger_id": "13345.736.a", **keys})}
    ).encode()


def test_a_slash_command_is_named_by_its_command_and_identified_by_its_trigger() -> None:
    event = SLACK.decode(COMMAND, "")
    trigger_id = "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    assert (event.name, event.identity, event.remember_s) == (
        "command:/webhook-collect",
        f"command:/webhook-collect\x1f{trigger_id}",
        None,
    )
    assert SLACK.view(COMMAND)["user_name"] == "roadrunner"
    assert SLACK.terms(COMMAND)[0] == trigger_id


def test_an_interaction_is_the_json_in_its_form() -> None:
    body = interaction(user={"id": "U1", "name": "Zoë + co"}, actions=[{"type": "button", "action_id": "approve"}])
    event = SLACK.decode(body, "")
    assert (event.name, event.identity) == (
        "interaction:block_actions",
        "interaction:block_actions\x1f13345.736.a",
    )
    assert SLACK.view(body)["user"] == {"id": "U1", "name": "Zoë + co"}
    assert SLACK.terms(body)[:2] == ("13345.736.a", "u1")
    model = SLACK.model(event.name, SLACK.view(body))
    assert isinstance(model, BlockActions)
    assert model.actions[0].action_id == "approve"


def test_two_clicks_are_two_events_and_the_same_request_again_is_one() -> None:
    first, second = interaction(), interaction(trigger_id="13346.736.b")
    assert SLACK.decode(first, "").identity == SLACK.decode(first, "").identity
    assert SLACK.decode(first, "").identity != SLACK.decode(second, "").identity


def test_an_interaction_without_a_trigger_is_identified_by_its_body() -> None:
    event = SLACK.decode(interaction(type="view_closed", trigger_id=None), "")
    assert (event.name, event.remember_s) == ("interaction:view_closed", 3600)


@pytest.mark.parametrize("body", [b"payload=%7B%22type", b"payload=%5B%5D", b"", b"\xff=1"])
def test_a_form_that_cannot_be_decoded_is_an_error_of_the_body(body: bytes) -> None:
    with pytest.raises(DecodeError):
        SLACK.decode(body, "")


@pytest.mark.parametrize(
    ("body", "is_answered"),
    [(b"ssl_check=1&token=x", True), (b"token=x&ssl_check=1", True), (COMMAND + b"&ssl_check=1", False)],
)
def test_a_check_of_the_certificate_is_answered_and_no_command_is(body: bytes, is_answered: bool) -> None:
    assert SLACK.handshake is not None
    assert (SLACK.handshake(SignedRequest(body, {})) is not None) == is_answered


@pytest.mark.parametrize("event", ["app_mention", "message"])
def test_a_sample_is_an_event_callback(event: str) -> None:
    view = SLACK.view(SLACK.sample(3, event))
    assert (view["type"], view["event"]["type"]) == ("event_callback", event)
