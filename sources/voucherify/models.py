"""Typed payloads of the points_added family.

Only what Hookline itself relies on is typed; unknown keys pass, and absent or null is fine wherever the
vendor's documents show either. Shapes: docs.voucherify.io, "Webhooks v2024-01-01".
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Source(Struct, frozen=True):
    """Which webhook sent it: `wh_...` of a project, `distr_...` of a distribution."""

    id: str | None = None
    object: str | None = None


class EventMeta(Struct, frozen=True):
    """The event itself, the same in every send-out of it."""

    id: str | None = None
    type: str | None = None
    created_at: str | None = None


class Customer(Struct, frozen=True):
    """Who owns the card."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    source_id: str | None = None
    metadata: dict[str, Any] | None = None


class Campaign(Struct, frozen=True):
    """The loyalty programme."""

    id: str | None = None
    name: str | None = None
    campaign_type: str | None = None


class LoyaltyCard(Struct, frozen=True):
    """Points on a card: gathered over its lifetime, and to spend now."""

    points: int
    balance: int


class Voucher(Struct, frozen=True):
    """The loyalty card as a voucher."""

    id: str | None = None
    code: str | None = None
    holder_id: str | None = None
    loyalty_card: LoyaltyCard | None = None


class Balance(Struct, frozen=True):
    """What the event changed: `points` added now, `total` over the lifetime, `balance` after it."""

    points: int
    balance: int
    total: int | None = None
    operation_type: str | None = None


class Transaction(Struct, frozen=True):
    """The booking behind the change."""

    id: str | None = None
    type: str | None = None
    reason: str | None = None
    source: str | None = None
    created_at: str | None = None


class PointsAdded(Struct, frozen=True):
    """Points were added to a loyalty card. All keys are there; each but balance may be null."""

    customer: Customer | None
    campaign: Campaign | None
    voucher: Voucher | None
    balance: Balance
    transaction: Transaction | None
