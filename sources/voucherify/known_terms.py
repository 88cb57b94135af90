"""The search terms of a decoded event, from the fields that intake has validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from sources.event import Event
from sources.voucherify.search_terms import terms


def known_terms(event: Event, body: bytes) -> Sequence[str]:
    """The ids of the event, its customer, voucher and transaction, and the customer's e-mail address and phone."""
    data: Any = event.data
    if not isinstance(data, Struct):
        return terms(body)  # a custom payload, whose fields are not known
    customer = getattr(data, "customer", None) or getattr(data, "holder", None)
    voucher, transaction = getattr(data, "voucher", None), getattr(data, "transaction", None)
    found = [event.id]
    if customer is not None:
        found += (customer.id, customer.source_id, customer.email)
        if getattr(customer, "phone", None):
            found.append(customer.phone)
    if voucher is not None:
        found.append(voucher.code)
    if transaction is not None:
        found.append(transaction.id)
    return [text for text in found if text]
