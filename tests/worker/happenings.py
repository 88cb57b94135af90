"""Webhooks of chosen customers and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.worker.conftest import webhook

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def happened(number: int, *, customer: str, at_s: int, points: int = 40, balance: int = 0) -> bytes:
    """Points added to a customer's card, `at_s` seconds after START. Every number is an event of its own."""
    body: dict[str, Any] = json.loads(webhook(number))
    moment = (START + timedelta(seconds=at_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = body["data"]
    data["customer"]["id"] = customer
    data["voucher"]["id"] = f"v_{customer}"
    data["balance"] |= {"points": points, "balance": balance}
    body["created_at"] = body["event"]["created_at"] = moment
    if "transaction" in data:
        data["transaction"]["created_at"] = moment
    return json.dumps(body).encode()


def moment_of(data: dict[str, Any]) -> str:
    """The time of an event, by a notification's data."""
    return str(data["transaction"]["created_at"])
