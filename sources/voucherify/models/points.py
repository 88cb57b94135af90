"""Points and credits: balances, transactions, pending points, buckets that expire."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Validated


class Related(Struct, frozen=True, kw_only=True):
    """A reference to another object."""

    id: str | None = None
    type: str | None = None


class Balance(Struct, frozen=True, kw_only=True):
    """A change of a balance. A loyalty card has `points`, a gift card `amount` in hundredths of the currency."""

    type: Validated[str | None] = None
    """Either loyalty_card or gift_voucher."""

    total: Validated[int | None] = None
    """The sum over the card's lifetime."""

    object: str | None = None
    points: Validated[int | None] = None
    amount: Validated[int | None] = None
    balance: Validated[int | None] = None
    """The balance after the event."""

    operation_type: Validated[str | None] = None
    """Either MANUAL or AUTOMATIC."""

    related_object: Related | None = None


class PointsBalance(Struct, frozen=True, kw_only=True):
    """An addition of points: `points` added now, `total` over the card's lifetime, `balance` after the event."""

    type: Validated[str | None] = None
    total: Validated[int | None] = None
    object: str | None = None
    points: Validated[int]
    balance: Validated[int]
    operation_type: Validated[str | None] = None
    related_object: Related | None = None


class CreditBalance(Struct, frozen=True, kw_only=True):
    """An addition of credits, in hundredths of the currency."""

    type: Validated[str | None] = None
    total: Validated[int | None] = None
    amount: Validated[int]
    object: str | None = None
    balance: Validated[int]
    operation_type: Validated[str | None] = None
    related_object: Related | None = None


class ApiKey(Struct, frozen=True, kw_only=True):
    """The API key that a request was made with."""

    name: str | None = None
    app_id: str | None = None


class User(Struct, frozen=True, kw_only=True):
    """A user of the vendor's dashboard."""

    id: str | None = None


class EventSource(Struct, frozen=True, kw_only=True):
    """The cause of an event. `channel`: USER_PORTAL, API, CLIENT_API, INTERNAL."""

    channel: str | None = None
    user: User | None = None
    api_key: ApiKey | None = None


class Activity(Struct, frozen=True, kw_only=True):
    """The event that caused a change of points."""

    id: str | None = None
    type: str | None = None
    category: str | None = None
    entity_id: str | None = None
    group_id: str | None = None
    created_at: str | None = None
    event_source: EventSource | None = None


class Named(Struct, frozen=True, kw_only=True):
    """An object of which the body gives only the name."""

    id: str | None = None
    name: str | None = None


class RuleSource(Struct, frozen=True, kw_only=True):
    """The object that an earning rule belongs to."""

    banner: str | None = None
    object_id: str | None = None
    object_type: str | None = None


class AppliedRule(Struct, frozen=True, kw_only=True):
    """The earning rule that caused a change of points."""

    id: str | None = None
    source: RuleSource | None = None


class OrderId(Struct, frozen=True, kw_only=True):
    """The order that caused a change of points."""

    id: str | None = None
    source_id: str | None = None


class PendingPointsDetails(Struct, frozen=True, kw_only=True):
    """The reason why points are pending."""

    holder_loyalty_tier: Named | None = None
    event: Activity | None = None
    earning_rule: AppliedRule | None = None
    order: OrderId | None = None


class PendingPoints(Struct, frozen=True, kw_only=True):
    """Points that become available at `activates_at` (YYYY-MM-DD)."""

    id: Validated[str | None] = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    customer_id: str | None = None
    order_id: str | None = None
    points: Validated[int | None] = None
    activates_at: Validated[str | None] = None
    details: PendingPointsDetails | None = None
    created_at: str | None = None
    updated_at: str | None = None


class TransactionDetails(Struct, frozen=True, kw_only=True):
    """The reason for a transaction."""

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
    """The transaction that made a change of a balance."""

    id: Validated[str | None] = None
    """The id of Voucherify, `vtx_...`."""

    source_id: str | None = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    source: Validated[str | None] = None
    reason: Validated[str | None] = None
    type: Validated[str | None] = None
    """POINTS_ADDITION, POINTS_ACCRUAL, POINTS_EXPIRATION, PENDING_POINTS_ACTIVATION, CREDITS_ADDITION, ..."""

    details: TransactionDetails | None = None
    related_transaction_id: str | None = None
    created_at: Validated[str | None] = None


class BucketPoints(Struct, frozen=True, kw_only=True):
    """The points in a bucket."""

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
