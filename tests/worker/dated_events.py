"""Webhooks of chosen customers and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.worker.conftest import webhook

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def points_added(number: int, *, customer: str, at_s: int, points: int = 40, balance: int = 0) -> bytes:
    """Return the webhook of points added to a customer's card, `at_s` seconds after START.

    Each number is another event.
    """
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


def occurred_at(data: dict[str, Any]) -> str:
    """Return the time of the event from the data of its notification."""
    return str(data["transaction"]["created_at"])
