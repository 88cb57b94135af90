"""Sample events of Stripe, indented as Stripe does."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from sources.shared.json_body import hash_of

_ID_PREFIXES = {
    "payment_intent": "pi",
    "invoice": "in",
    "checkout.session": "cs_test",
    "charge": "ch",
    "customer.subscription": "sub",
}
_AMOUNT = 1999
_MONTH_S = 30 * 86_400


def sample(number: int, event: str) -> bytes:
    """An event with the keys that rules use most."""
    kind, now_s = event.rpartition(".")[0], int(time.time())
    subject: dict[str, Any] = {
        "id": f"{_ID_PREFIXES.get(kind, 'obj')}_{number:014d}",
        "object": kind.rpartition(".")[2] if kind.startswith("customer.") else kind,
        "created": now_s,
        "currency": "eur",
        "customer": f"cus_{number:014d}",
        "livemode": False,
        "metadata": {"order_id": f"order-{number}"},
        **_details(kind, number, event, now_s),
    }
    content = {
        "id": f"evt_{hash_of(f'{event}/{number}'.encode())[:24]}",
        "object": "event",
        "api_version": "2026-10-28",
        "created": now_s,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _details(kind: str, number: int, event: str, now_s: int) -> dict[str, Any]:
    """The keys that only objects of this kind have."""
    email, payment, failed = f"member{number}@example.com", f"pi_{number:014d}", event.endswith("failed")
    match kind:
        case "payment_intent":
            error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
            return {
                "amount": _AMOUNT,
                "amount_received": 0 if failed else _AMOUNT,
                "status": "requires_payment_method" if failed else "succeeded",
                "receipt_email": email,
                "last_payment_error": error if failed else None,
            }
        case "invoice":
            is_paid = event == "invoice.paid"
            return {
                "number": f"SAMPLE-{number:04d}",
                "amount_due": _AMOUNT,
                "amount_paid": _AMOUNT if is_paid else 0,
                "attempt_count": 1,
                "customer_email": email,
                "hosted_invoice_url": f"https://invoice.stripe.com/i/sample/{number}",
                "status": "paid" if is_paid else "open",
            }
        case "checkout.session":
            return {
                "amount_total": _AMOUNT,
                "mode": "payment",
                "payment_status": "paid",
                "status": "complete",
                "payment_intent": payment,
                "customer_details": {"email": email},
            }
        case "charge":
            return {
                "amount": _AMOUNT,
                "amount_refunded": _AMOUNT,
                "refunded": True,
                "payment_intent": payment,
                "billing_details": {"email": email},
            }
        case "customer.subscription":
            price = {"id": "price_sample", "currency": "eur", "unit_amount": _AMOUNT, "product": "prod_sample"}
            period = {"current_period_start": now_s, "current_period_end": now_s + _MONTH_S}
            item = {"id": f"si_{number:014d}", "price": price, "quantity": 1, **period}
            return {
                "status": "canceled" if event.endswith("deleted") else "active",
                "cancel_at_period_end": False,
                "items": {"object": "list", "data": [item]},
            }
    return {}
