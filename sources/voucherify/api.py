"""Voucherify's API for data that a payload lacks: `GET /v1/customers/{id}`.

Addresses: docs.voucherify.io, "API endpoints", shared clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sources.api import Api, LookUp
from sources.secret import Secret

_CUSTOMER_ID_PATHS = (
    ("customer", "id"),
    ("customer", "source_id"),
    ("customer_id",),
    ("holder", "customer_id"),
    ("holder", "id"),
    ("voucher", "holder_id"),
    ("order", "customer_id"),
    ("publication", "customer_id"),
    ("redemption", "customer_id"),
)
"""The places in a payload that may hold the customer's id, the most reliable first."""

_MAX_ID_CHARS = 256


def customer(payload: Mapping[str, Any]) -> LookUp | None:
    """The request for the customer of a payload: its own, else the holder of its voucher."""
    for place in _CUSTOMER_ID_PATHS:
        customer_id = _id_at(payload, place)
        if customer_id:
            return LookUp("customer", f"/v1/customers/{quote(customer_id, safe='')}")
    return None


def headers(app_id: str, token: Secret) -> dict[str, str]:
    """The headers that authenticate a request."""
    return {"X-App-Id": app_id, "X-App-Token": token.reveal().decode()}


def _id_at(payload: Mapping[str, Any], place: tuple[str, ...]) -> str:
    """The id at this place, "" without a usable one. Dots are not usable: they would change the path."""
    value: Any = payload
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_CHARS or value in {".", ".."}:
        return ""
    if place == ("holder", "id") and not value.startswith("cust_"):  # other holders are assignments, `rh_...`
        return ""
    return value


API = Api(
    regions={
        "eu1": "https://api.voucherify.io",
        "us1": "https://us1.api.voucherify.io",
        "as1": "https://as1.api.voucherify.io",
    },
    headers=headers,
    lookups={"customer": customer},
)
