"""Points and credits: balances, bookings, pending points, buckets that expire."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Relied


class Related(Struct, frozen=True, kw_only=True):
    """A pointer to another object."""

    id: str | None = None
    type: str | None = None


class Balance(Struct, frozen=True, kw_only=True):
    """What an event changed. A loyalty card has `points`, a gift card `amount` in hundredths of the currency."""

    type: Relied[str | None] = None
    """loyalty_card, gift_voucher"""

    total: Relied[int | None] = None
    """Accrued over the lifetime."""

    object: str | None = None
    points: Relied[int | None] = None
    amount: Relied[int | None] = None
    balance: Relied[int | None] = None
    """What is there after the event."""

    operation_type: Relied[str | None] = None
    """MANUAL, AUTOMATIC"""

    related_object: Related | None = None


class PointsBalance(Struct, frozen=True, kw_only=True):
    """What an addition of points changed: `points` added now, `total` over the lifetime, `balance` after it."""

    type: Relied[str | None] = None
    total: Relied[int | None] = None
    object: str | None = None
    points: Relied[int]
    balance: Relied[int]
    operation_type: Relied[str | None] = None
    related_object: Related | None = None


class CreditBalance(Struct, frozen=True, kw_only=True):
    """What an addition of credits changed, in hundredths of the currency."""

    type: Relied[str | None] = None
    total: Relied[int | None] = None
    amount: Relied[int]
    object: str | None = None
    balance: Relied[int]
    operation_type: Relied[str | None] = None
    related_object: Related | None = None


class ApiKey(Struct, frozen=True, kw_only=True):
    """The key that a request came with."""

    name: str | None = None
    app_id: str | None = None


class User(Struct, frozen=True, kw_only=True):
    """A person at the dashboard."""

    id: str | None = None


class EventSource(Struct, frozen=True, kw_only=True):
    """What set an event off. `channel`: USER_PORTAL, API, CLIENT_API, INTERNAL."""

    channel: str | None = None
    user: User | None = None
    api_key: ApiKey | None = None


class Activity(Struct, frozen=True, kw_only=True):
    """The event behind a change of points."""

    id: str | None = None
    type: str | None = None
    category: str | None = None
    entity_id: str | None = None
    group_id: str | None = None
    created_at: str | None = None
    event_source: EventSource | None = None


class Named(Struct, frozen=True, kw_only=True):
    """An object of which only the name is told."""

    id: str | None = None
    name: str | None = None


class RuleSource(Struct, frozen=True, kw_only=True):
    """Where an earning rule belongs to."""

    banner: str | None = None
    object_id: str | None = None
    object_type: str | None = None


class AppliedRule(Struct, frozen=True, kw_only=True):
    """The earning rule behind a change of points."""

    id: str | None = None
    source: RuleSource | None = None


class OrderId(Struct, frozen=True, kw_only=True):
    """The order behind a change of points."""

    id: str | None = None
    source_id: str | None = None


class PendingPointsDetails(Struct, frozen=True, kw_only=True):
    """Why points are pending."""

    holder_loyalty_tier: Named | None = None
    event: Activity | None = None
    earning_rule: AppliedRule | None = None
    order: OrderId | None = None


class PendingPoints(Struct, frozen=True, kw_only=True):
    """Points that count from `activates_at` (YYYY-MM-DD) on."""

    id: Relied[str | None] = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    customer_id: str | None = None
    order_id: str | None = None
    points: Relied[int | None] = None
    activates_at: Relied[str | None] = None
    details: PendingPointsDetails | None = None
    created_at: str | None = None
    updated_at: str | None = None


class TransactionDetails(Struct, frozen=True, kw_only=True):
    """What a booking was for."""

    balance: Balance | None = None
    order: OrderId | None = None
    event: Activity | None = None
    earning_rule: AppliedRule | None = None
    pending_points: PendingPoints | None = None
    loyalty_tier: Named | None = None
    holder_loyalty_tier: Named | None = None
    redemption: Related | None = None
    rollback: Related | None = None
    reward: Named | None = None
    segment: Named | None = None
    custom_event: Activity | None = None
    source_voucher: dict[str, Any] | None = None
    destination_voucher: dict[str, Any] | None = None


class Transaction(Struct, frozen=True, kw_only=True):
    """The booking behind a change."""

    id: Relied[str | None] = None
    """`vtx_...`"""

    source_id: str | None = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    source: Relied[str | None] = None
    reason: Relied[str | None] = None
    type: Relied[str | None] = None
    """POINTS_ADDITION, POINTS_ACCRUAL, POINTS_EXPIRATION, PENDING_POINTS_ACTIVATION, CREDITS_ADDITION, ..."""

    details: TransactionDetails | None = None
    related_transaction_id: str | None = None
    created_at: Relied[str | None] = None


class BucketPoints(Struct, frozen=True, kw_only=True):
    """What is in a bucket."""

    total_points: int | None = None


class Bucket(Struct, frozen=True, kw_only=True):
    """Points that expire together, at `expires_at` (YYYY-MM-DD)."""

    id: str | None = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    bucket: BucketPoints | None = None
    status: str | None = None
    expires_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None
