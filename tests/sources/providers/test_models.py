"""The typed events of all providers: samples fit them, other keys are ignored, and differences are drift."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Struct, inspect

import hookline.models
from sources import KINDS
from sources.drift_finding import Finding
from sources.provider import Provider

MODELS: dict[str, dict[str, type[Struct]]] = {
    name: getattr(hookline.models, name).MODELS for name in hookline.models.__all__
}
ACTIONS = {"release.": "published", "customer.subscription.": "updated", "message.": "delivered"}
"""The text in place of the `*` of a name, if it is not `opened`."""

NAMES = [
    (kind, name.replace("*", ACTIONS.get(name[:-1], "opened")))
    for kind, models in MODELS.items()
    for name in models
]


def sample_of(kind: Provider, event: str) -> dict[str, Any]:
    body = kind.sample(7, event)
    item = kind.split(body)[-1] if kind.split else body
    return dict(kind.view(item))


def structs_in(info: inspect.Type) -> list[inspect.StructType]:
    match info:
        case inspect.StructType(fields=fields):
            return [info, *(inner for field in fields for inner in structs_in(field.type))]
        case inspect.UnionType(types=types):
            return [inner for part in types for inner in structs_in(part)]
        case inspect.ListType(item_type=item):
            return structs_in(item)
    return []


def test_all_providers_but_the_generic_one_have_models() -> None:
    assert set(MODELS) == set(KINDS) - {"standard", "voucherify"}


@pytest.mark.parametrize(("name", "event"), NAMES)
def test_a_sample_fits_its_model_and_may_have_other_keys(name: str, event: str) -> None:
    kind = KINDS[name]
    payload = sample_of(kind, event) | {"a_new_key": {"of": ["any", "kind"]}}
    model = kind.model(event, payload)
    assert model is not None
    assert type(model).__module__ == f"sources.providers.{name}.models"
    assert list(kind.compare(event, payload)) == []


@pytest.mark.parametrize(("name", "event"), [(name, event) for name, models in MODELS.items() for event in models])
def test_a_field_that_may_be_absent_may_be_null(name: str, event: str) -> None:
    for struct in structs_in(inspect.type_info(MODELS[name][event])):
        for field in struct.fields:
            if not field.required:
                types = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
                assert any(isinstance(part, inspect.NoneType) for part in types), (struct.cls, field.name)


@pytest.mark.parametrize(
    ("name", "event", "path", "value", "finding"),
    [
        (
            "stripe",
            "invoice.paid",
            ("data", "object", "amount_due"),
            "19.99",
            Finding("changed type", "$.data.object.amount_due", "integer", "string"),
        ),
        (
            "shopify",
            "orders/create",
            ("total_price",),
            19.5,
            Finding("changed type", "$.total_price", "string", "number"),
        ),
        ("github", "push", ("ref",), None, Finding("changed type", "$.ref", "string", "null")),
        (
            "mailgun",
            "failed",
            ("severity",),
            7,
            Finding("changed type", "$.event-data.severity", "string", "integer"),
        ),
        (
            "slack",
            "app_mention",
            ("event", "channel"),
            {"id": "C1"},
            Finding("changed type", "$.event.channel", "string", "object"),
        ),
    ],
)
def test_a_changed_type_is_drift_with_its_path(
    name: str, event: str, path: tuple[str, ...], value: Any, finding: Finding
) -> None:
    payload = sample_of(KINDS[name], event)
    inner = payload
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert list(KINDS[name].compare(event, payload)) == [finding]
    assert KINDS[name].model(event, payload) is None


def test_a_missing_required_key_is_drift_and_a_missing_optional_one_is_not() -> None:
    payload = sample_of(KINDS["stripe"], "charge.refunded")
    del payload["data"]["object"]["billing_details"]
    assert list(KINDS["stripe"].compare("charge.refunded", payload)) == []
    del payload["data"]["object"]["amount_refunded"]
    assert list(KINDS["stripe"].compare("charge.refunded", payload)) == [
        Finding("missing key", "$.data.object.amount_refunded")
    ]


def test_a_changed_payload_is_decoded_as_before() -> None:
    body = KINDS["stripe"].sample(1, "invoice.paid")
    changed = msgspec.json.encode(msgspec.json.decode(body) | {"data": "moved"})
    was, now = KINDS["stripe"].decode(body, ""), KINDS["stripe"].decode(changed, "")
    assert (now.name, now.identity) == (was.name, was.identity)


@pytest.mark.parametrize("event", ["payment_intent.created", "customer.subscription", "unknown", ""])
def test_an_event_without_a_model_is_no_drift(event: str) -> None:
    assert KINDS["stripe"].model(event, {"id": 3}) is None
    assert list(KINDS["stripe"].compare(event, {"id": 3})) == []


def test_a_message_to_a_number_of_twilio_has_a_text_and_no_status() -> None:
    body = (
        b"SmsStatus=received&MessageSid=SM1&AccountSid=AC1&From=%2B14158675309&To=%2B18005551212&Body=&NumMedia=0"
    )
    event = KINDS["twilio"].decode(body, "")
    model: Any = KINDS["twilio"].model(event.name, KINDS["twilio"].view(body))
    assert (event.name, type(model).__name__, model.body, model.from_) == (
        "message.received",
        "InboundMessage",
        "",
        "+14158675309",
    )


def test_amounts_and_ids_have_the_types_that_the_providers_document() -> None:
    paid: Any = KINDS["stripe"].model("invoice.paid", sample_of(KINDS["stripe"], "invoice.paid"))
    assert (paid.data.object.amount_paid, paid.data.object.currency) == (1999, "eur")
    order: Any = KINDS["shopify"].model("orders/paid", sample_of(KINDS["shopify"], "orders/paid"))
    assert (order.total_price, order.line_items[0].price, order.id) == ("19.99", "19.99", 5_000_000_000_007)
