"""Generates sample bodies as Voucherify would send them, to try out a config and to generate load."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

_NAMES = ("Ada Novak", "Bela Okafor", "Chidi Lindqvist", "Dora Marchetti", "Emil Tanaka", "Fatou Brandt")


def sample(number: int, name: str) -> bytes:
    """A distribution webhook of the event `name`, compact JSON of about 2.5 KB.

    The same number and name give the same event identity within a day; each other number gives another one.
    """
    seed = hashlib.blake2b(f"{name}/{number}".encode(), digest_size=24).hexdigest()
    now = datetime.now(UTC)
    moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode(
        {
            "id": f"whs_{seed[:18]}",
            "project_id": "proj_hKt30Yw1sample",
            "created_at": moment,
            "type": "Points added" if name.endswith("points_added") else name,
            "data": payload(number, seed, moment),
            "source": {
                "id": "distr_Sample7Zq1",
                "object": "distribution",
                "target_url": "https://hooks.example.com/webhooks/voucherify",
            },
            "event": {
                "id": f"ev_{seed[:16]}_{number}",
                "type": name,
                "created_at": moment,
                "entity_id": f"v_{seed}",
                "group_id": f"v_{seed[8:24]}",
                "event_source": {
                    "channel": "API",
                    "user": None,
                    "api_key": {"name": "shop-backend", "app_id": "5f1c2d9e-sample"},
                },
            },
        }
    )


def payload(number: int, seed: str, moment: str) -> dict[str, Any]:
    """The `data` of a points_added webhook: 40 points, and a balance that depends on the number."""
    points = 40
    balance = 2641 + number % 1000 * points
    change = {
        "type": "loyalty_card",
        "total": balance,
        "object": "balance",
        "points": points,
        "balance": balance,
        "related_object": {"id": f"v_{seed[:32]}", "type": "voucher"},
    }
    return {
        "customer": {
            "id": f"cust_{seed[:24]}",
            "name": _NAMES[number % len(_NAMES)],
            "email": f"member{number}@example.com",
            "source_id": f"crm-{number:08d}",
            "metadata": {"tier": "gold" if number % 3 else "silver"},
            "object": "customer",
        },
        "campaign": _CAMPAIGN,
        "voucher": {
            "id": f"v_{seed[:32]}",
            "code": f"LC-{seed[:10].upper()}",
            "loyalty_card": {"points": balance, "balance": balance},
            "type": "LOYALTY_CARD",
            "campaign": _CAMPAIGN["name"],
            "campaign_id": _CAMPAIGN["id"],
            "is_referral_code": False,
            "holder_id": f"cust_{seed[:24]}",
            "category_id": None,
            "active": True,
            "created_at": "2025-02-03T09:14:07.120Z",
            "updated_at": moment,
            "redemption": {
                "quantity": None,
                "redeemed_quantity": number % 9,
                "redeemed_points": number % 900,
            },
            "start_date": None,
            "expiration_date": None,
            "metadata": {},
            "object": "voucher",
        },
        "balance": change,
        "transaction": {
            "id": f"vtx_{seed[:18]}",
            "source_id": f"order-{number:08d}",
            "voucher_id": f"v_{seed[:32]}",
            "campaign_id": _CAMPAIGN["id"],
            "source": "voucherify-api",
            "reason": "Order paid",
            "type": "POINTS_ADDITION",
            "details": {"balance": change},
            "related_transaction_id": None,
            "created_at": moment,
        },
    }


_CAMPAIGN: dict[str, Any] = {
    "id": "camp_SampleLoyalty01",
    "name": "Coffee Club",
    "campaign_type": "LOYALTY_PROGRAM",
    "type": "AUTO_UPDATE",
    "is_referral_code": False,
    "voucher": {
        "type": "LOYALTY_CARD",
        "loyalty_card": {"points": 0},
        "redemption": {"quantity": None, "redeemed_quantity": 0},
        "code_config": {
            "length": 10,
            "prefix": "LC-",
            "charset": "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ",
            "pattern": "LC-##########",
            "postfix": "",
        },
    },
    "auto_join": True,
    "join_once": True,
    "active": True,
    "category_id": None,
    "category": None,
    "metadata": {},
    "start_date": None,
    "expiration_date": None,
    "description": None,
    "created_at": "2025-01-09T10:00:00.000Z",
    "updated_at": "2025-01-09T10:00:00.000Z",
    "object": "campaign",
}
