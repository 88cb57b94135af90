"""Tests of which event names the URL may give, since the URL is not signed."""

from __future__ import annotations

from typing import Any

import pytest

from broker.redis.client import Client
from receiver.errors import RejectedError
from receiver.ingress.source_verifier import SourceVerifier
from sources.secret import Secret
from sources.settings import Settings
from sources.signed_request import SignedRequest
from sources.url_event import query, url_key
from sources.voucherify import HEADER
from sources.voucherify.models import MODELS
from tests.receiver.serving import PATH, SECRET, SOURCES, batches, serving
from tests.sources.payloads import PAYLOADS, POINTS_ADDED, compact, project_webhook, webhook

SEGMENT = {
    "customer": {"id": "cust_1", "name": "Ada", "object": "customer"},
    "segment": {"id": "seg_1", "name": "New", "object": "segment"},
}
RECORDED = {
    "customer": {"id": "cust_1", "name": "Rita", "email": "rita@example.com"},
    "campaign": None,
    "voucher": {"code": "CARD-1"},
    "transaction": {"id": "vtx_1", "type": "POINTS_ADDITION", "created_at": "2026-11-20T10:00:00Z"},
    "balance": {"type": "loyalty_card", "points": 40, "balance": 2641},
}
DESIGNED = {"To": "ada@example.com", "Subject": "40 points for you", "Body": "Hello"}
OLD = Secret("the old one")


def reason(body: Any, event: str, key: str = "", *, source: str = "shop", **settings: Any) -> str:
    """Return why a source with these settings refuses the body, "" if it accepts it."""
    gate = SourceVerifier(source, Settings(secrets=(SECRET, OLD), **settings))
    sent = body if isinstance(body, bytes) else compact(body)
    try:
        if gate.url_events.looks_at_body(event):
            gate.check_event(sent, event, key)
    except RejectedError as refused:
        assert refused.status == 400
        return refused.reason
    return ""


def test_by_default_a_name_that_the_provider_has_and_that_fits_the_body_is_accepted() -> None:
    assert [name for name in MODELS if not reason(RECORDED, name)] == [
        "voucher.loyalty_card.points_added",
        POINTS_ADDED,
    ]
    for name in ("customer.segment.entered", "customer.segment.left"):
        assert reason(SEGMENT, name) == ""
    assert reason(SEGMENT, "customer.order.paid") == "this body cannot be the event in the URL: correct ?event="
    assert reason(SEGMENT, "redemption.succeeded") != ""


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_every_event_is_accepted_under_its_name(name: str) -> None:
    assert reason(PAYLOADS[name], name) == ""


def test_an_unknown_name_is_refused_with_the_reason_and_without_the_value() -> None:
    for body in (RECORDED, SEGMENT, DESIGNED):
        assert reason(body, "customer.x0.points_added") == (
            "the event in the URL is unknown for voucherify: correct ?event=, or list it in sources.shop.events"
        )


def test_a_custom_payload_may_be_any_event_unless_it_holds_the_transaction_of_another() -> None:
    assert reason(DESIGNED, POINTS_ADDED) == reason(DESIGNED, "customer.order.paid") == ""
    booked = DESIGNED | {"transaction": RECORDED["transaction"], "balance": RECORDED["balance"]}
    assert reason(booked, POINTS_ADDED) == ""
    assert reason(booked, "redemption.succeeded") != ""
    assert reason(booked, "customer.voucher.gift.balance_added") != ""


def test_a_source_can_list_the_names_that_it_accepts() -> None:
    names = ("crm.points", POINTS_ADDED, "redemption.succeeded")
    assert reason(RECORDED, "crm.points", events=names) == ""
    assert reason(RECORDED, POINTS_ADDED, events=names) == ""
    assert reason(RECORDED, "redemption.succeeded", events=names) != ""
    assert reason(RECORDED, "voucher.loyalty_card.points_added", events=names) == (
        "sources.shop.events does not list the event in the URL"
    )


def test_an_envelope_names_its_event_so_the_name_in_the_url_is_ignored() -> None:
    for body in (webhook(POINTS_ADDED, RECORDED), project_webhook("customer.created", {"customer": {"id": "c"}})):
        for settings in ({}, {"events": ("a",)}, {"url_key": True}):
            assert reason(body, "customer.x0", **settings) == reason(body, "", **settings) == ""


def test_a_test_webhook_without_an_event_name_is_checked_like_a_raw_payload() -> None:
    stub = webhook("", {"test": 1}, event=None, type="customer.created")
    assert reason(stub, "") == reason(stub, "customer.created") == reason(stub, "", url_key=True) == ""
    assert reason(stub, "made.up") != ""


def test_an_undecodable_body_is_accepted_and_becomes_a_dead_letter() -> None:
    assert reason(b"no json", POINTS_ADDED) == reason(b"\xff", POINTS_ADDED) == ""


def test_a_key_confirms_the_name_for_any_body() -> None:
    for name in (POINTS_ADDED, "crm.points", "grün & blau"):
        key = url_key(SECRET, "shop", name)
        assert reason(RECORDED, name, key, url_key=True) == ""
        assert reason(RECORDED, name + "x", key, url_key=True) != ""
        assert reason(RECORDED, name, key, url_key=True, source="other") != ""


@pytest.mark.parametrize("key", ["", "0" * 32, "é", "x" * 5000])
def test_a_wrong_key_is_refused(key: str) -> None:
    assert reason(RECORDED, POINTS_ADDED, key, url_key=True) == (
        "the key in the URL does not belong to its event: make the URL with hookline url"
    )


def test_a_source_that_requires_a_key_refuses_a_raw_payload_without_a_name() -> None:
    assert reason(RECORDED, "", url_key=True) == (
        "the URL must name an event that sources.shop accepts: make it with hookline url"
    )
    assert reason(RECORDED, "") == ""


def test_a_key_of_the_old_secret_is_valid_until_that_secret_is_removed() -> None:
    key = url_key(OLD, "shop", POINTS_ADDED)
    assert reason(RECORDED, POINTS_ADDED, key, url_key=True) == ""
    gate = SourceVerifier("shop", Settings(secrets=(SECRET,), url_key=True))
    with pytest.raises(RejectedError, match="the key in the URL"):
        gate.check_event(compact(RECORDED), POINTS_ADDED, key)


def test_a_key_is_not_a_valid_signature() -> None:
    gate = SourceVerifier("shop", Settings(secrets=(SECRET,)))
    for body in (b"shop\x1fname", b"name", b"shop"):
        with pytest.raises(RejectedError):
            gate.check_signature(SignedRequest(body, {HEADER: url_key(SECRET, "shop", "name")}))


async def test_over_http_a_recorded_request_is_accepted_under_no_other_name(redis: Client) -> None:
    body = compact(RECORDED)
    async with serving(redis) as served:
        assert (await served.send(body, path=f"{PATH}?event={POINTS_ADDED}")).status == 202
        for number in range(5):
            reply = await served.send(body, path=f"{PATH}?event=customer.x{number}.points_added")
            assert reply.status == 400
            assert "unknown for voucherify" in reply.content["error"]
        assert (await served.send(body, path=f"{PATH}?event=redemption.succeeded")).status == 400
    assert [raw.event_hint for [raw] in await batches(redis)] == [POINTS_ADDED]


async def test_over_http_the_key_of_the_url_command_is_accepted(redis: Client) -> None:
    sources = {"voucherify": Settings(secrets=SOURCES["voucherify"].secrets, url_key=True)}
    async with serving(redis, sources) as served:
        path = f"{PATH}?{query('crm.points & more', SECRET, 'voucherify')}"
        assert (await served.send(compact(RECORDED), path=path)).status == 202
        assert (await served.send(compact(RECORDED), path=path.replace("crm", "crn"))).status == 400
        assert (await served.send(compact(RECORDED))).status == 400
        assert (await served.send(compact(webhook(POINTS_ADDED, RECORDED)))).status == 202
