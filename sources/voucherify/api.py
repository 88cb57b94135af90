"""Voucherify's API, where a payload lacks what a notification needs: `GET /v1/customers/{id}`.

Addresses: docs.voucherify.io, "API endpoints", shared clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sources.api import Api, LookUp
from sources.secret import Secret

_WHO = (
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
"""Where a payload names its customer, the surest place first."""

_MAX_ID_CHARS = 256


def customer(payload: Mapping[str, Any]) -> LookUp | None:
    """The question for the customer that a payload is about: its own, else the holder of its voucher."""
    for place in _WHO:
        found = _id_at(payload, place)
        if found:
            return LookUp("customer", f"/v1/customers/{quote(found, safe='')}")
    return None


def headers(app_id: str, token: Secret) -> dict[str, str]:
    """The headers that authenticate a request."""
    return {"X-App-Id": app_id, "X-App-Token": token.reveal().decode()}


def _id_at(payload: Mapping[str, Any], place: tuple[str, ...]) -> str:
    """The id there, "" where there is none that can be asked for: the dots would name another path."""
    value: Any = payload
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_CHARS or value in {".", ".."}:
        return ""
    if place == ("holder", "id") and not value.startswith("cust_"):  # a holder may be an assignment, `rh_...`
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
