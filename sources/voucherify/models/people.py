"""Customers, and the holders of redeemables."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Validated


class Address(Struct, frozen=True, kw_only=True):
    """The address of a customer."""

    city: str | None = None
    state: str | None = None
    line_1: str | None = None
    line_2: str | None = None
    country: str | None = None
    postal_code: str | None = None


class CampaignPoints(Struct, frozen=True, kw_only=True):
    """A customer's points in one loyalty programme."""

    points: int | None = None
    loyalty_tier: str | None = None
    referred_customers: int | None = None
    redeemed_points: int | None = None
    points_to_go: int | None = None


class CustomerLoyalty(Struct, frozen=True, kw_only=True):
    """A customer's points in all programmes together, and by programme name."""

    points: int | None = None
    campaigns: dict[str, CampaignPoints] | None = None
    referred_customers: int | None = None


class OrderSummary(Struct, frozen=True, kw_only=True):
    """A customer's orders so far; amounts in hundredths of the currency."""

    total_count: int | None = None
    total_amount: int | None = None
    average_amount: int | None = None
    last_order_amount: int | None = None
    last_order_date: str | None = None


class GiftSummary(Struct, frozen=True, kw_only=True):
    """Credits that a customer spent, and the credits left."""

    amount_to_go: int | None = None
    redeemed_amount: int | None = None


class CardSummary(Struct, frozen=True, kw_only=True):
    """Points that a customer spent, and the points left."""

    points_to_go: int | None = None
    redeemed_points: int | None = None


class RedemptionSummary(Struct, frozen=True, kw_only=True):
    """The number of a customer's redemptions."""

    gift: GiftSummary | None = None
    loyalty_card: CardSummary | None = None
    total_failed: int | None = None
    total_redeemed: int | None = None
    total_succeeded: int | None = None
    total_rolled_back: int | None = None
    total_rollback_failed: int | None = None
    total_rollback_succeeded: int | None = None


class CustomerSummary(Struct, frozen=True, kw_only=True):
    """Totals over all that a customer did."""

    orders: OrderSummary | None = None
    redemptions: RedemptionSummary | None = None


class Referrals(Struct, frozen=True, kw_only=True):
    """The referral campaigns that a customer takes part in."""

    total: int | None = None
    campaigns: list[str | dict[str, Any]] | None = None


class Customer(Struct, frozen=True, kw_only=True):
    """A customer. Most events carry the first five fields; the project events `customer.*` carry all of them."""

    id: Validated[str | None] = None
    """The id of Voucherify, `cust_...`."""

    name: Validated[str | None] = None
    email: Validated[str | None] = None
    phone: Validated[str | None] = None
    source_id: Validated[str | None] = None
    """The merchant's own id of the customer."""

    metadata: Validated[dict[str, Any] | None] = None
    object: str | None = None
    address: Address | None = None
    birthday: str | None = None
    birthdate: str | None = None
    """The date as YYYY-MM-DD."""

    description: str | None = None
    summary: CustomerSummary | None = None
    loyalty: CustomerLoyalty | None = None
    referrals: Referrals | None = None
    system_metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    assets: dict[str, Any] | None = None


class Holder(Struct, frozen=True, kw_only=True):
    """The holder of a redeemable: a customer (`cust_...`), or its assignment to a customer (`rh_...`)."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    email: Validated[str | None] = None
    source_id: Validated[str | None] = None
    metadata: dict[str, Any] | None = None
    object: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    campaign_id: str | None = None
    campaign_type: str | None = None
    customer_id: Validated[str | None] = None
    holder_role: Validated[str | None] = None
    """Role of the holder: OWNER, REFERRER, REFEREE."""

    voucher_type: str | None = None
    redeemable_id: str | None = None
    redeemable_object: str | None = None
    publication_id: str | None = None


class Segment(Struct, frozen=True, kw_only=True):
    """A group of customers."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    object: str | None = None
