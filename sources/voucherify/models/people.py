"""Customers and those who hold a redeemable."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Relied


class Address(Struct, frozen=True, kw_only=True):
    """Where a customer lives."""

    city: str | None = None
    state: str | None = None
    line_1: str | None = None
    line_2: str | None = None
    country: str | None = None
    postal_code: str | None = None


class CampaignPoints(Struct, frozen=True, kw_only=True):
    """A customer's standing in one loyalty programme."""

    points: int | None = None
    loyalty_tier: str | None = None
    referred_customers: int | None = None
    redeemed_points: int | None = None
    points_to_go: int | None = None


class CustomerLoyalty(Struct, frozen=True, kw_only=True):
    """A customer's points over all programmes, and by programme name."""

    points: int | None = None
    campaigns: dict[str, CampaignPoints] | None = None
    referred_customers: int | None = None


class OrderSummary(Struct, frozen=True, kw_only=True):
    """What a customer ordered so far; amounts in hundredths of the currency."""

    total_count: int | None = None
    total_amount: int | None = None
    average_amount: int | None = None
    last_order_amount: int | None = None
    last_order_date: str | None = None


class GiftSummary(Struct, frozen=True, kw_only=True):
    """Credits spent and left."""

    amount_to_go: int | None = None
    redeemed_amount: int | None = None


class CardSummary(Struct, frozen=True, kw_only=True):
    """Points spent and left."""

    points_to_go: int | None = None
    redeemed_points: int | None = None


class RedemptionSummary(Struct, frozen=True, kw_only=True):
    """How often a customer redeemed."""

    gift: GiftSummary | None = None
    loyalty_card: CardSummary | None = None
    total_failed: int | None = None
    total_redeemed: int | None = None
    total_succeeded: int | None = None
    total_rolled_back: int | None = None
    total_rollback_failed: int | None = None
    total_rollback_succeeded: int | None = None


class CustomerSummary(Struct, frozen=True, kw_only=True):
    """Counts over a customer's life."""

    orders: OrderSummary | None = None
    redemptions: RedemptionSummary | None = None


class Referrals(Struct, frozen=True, kw_only=True):
    """In which referral campaigns a customer takes part."""

    total: int | None = None
    campaigns: list[str | dict[str, Any]] | None = None


class Customer(Struct, frozen=True, kw_only=True):
    """A person. Most events carry the first five fields, `customer.*` of a project all of them."""

    id: Relied[str | None] = None
    """`cust_...`"""

    name: Relied[str | None] = None
    email: Relied[str | None] = None
    phone: Relied[str | None] = None
    source_id: Relied[str | None] = None
    """The id that the merchant gave."""

    metadata: Relied[dict[str, Any] | None] = None
    object: str | None = None
    address: Address | None = None
    birthday: str | None = None
    birthdate: str | None = None
    """YYYY-MM-DD"""

    description: str | None = None
    summary: CustomerSummary | None = None
    loyalty: CustomerLoyalty | None = None
    referrals: Referrals | None = None
    system_metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    assets: dict[str, Any] | None = None


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds a redeemable: a customer (`cust_...`), or the assignment of one to it (`rh_...`)."""

    id: Relied[str | None] = None
    name: Relied[str | None] = None
    email: Relied[str | None] = None
    source_id: Relied[str | None] = None
    metadata: dict[str, Any] | None = None
    object: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    campaign_id: str | None = None
    campaign_type: str | None = None
    customer_id: Relied[str | None] = None
    holder_role: Relied[str | None] = None
    """OWNER, REFERRER, REFEREE"""

    voucher_type: str | None = None
    redeemable_id: str | None = None
    redeemable_object: str | None = None
    publication_id: str | None = None


class Segment(Struct, frozen=True, kw_only=True):
    """A group of customers."""

    id: Relied[str | None] = None
    name: Relied[str | None] = None
    object: str | None = None
