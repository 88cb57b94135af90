"""`data` of the events that distributions send.

A field without a default is in every body that the vendor documents. Where a distribution promotes something,
the body also has the campaign and the promotion tier, voucher or publication: these fields are optional.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.campaigns import Campaign, Distribution, NamedEvent, PromotionTier
from sources.voucherify.models.loyalty import LoyaltyTier, Reward, RewardAssignment, RewardRedemption
from sources.voucherify.models.orders import CustomEvent, Order, Publication, Redemption
from sources.voucherify.models.people import Customer, Holder, Segment
from sources.voucherify.models.points import Balance, Related
from sources.voucherify.models.shared import (
    CustomerRewarded,
    CustomerRewardedLoyaltyPoints,
    GiftBalanceAdded,
    PendingPointsActivated,
    PendingPointsChanged,
    PointsAdded,
    PointsExpired,
    RedemptionMade,
    RedemptionRolledBack,
)
from sources.voucherify.models.validated_fields import Validated
from sources.voucherify.models.vouchers import Voucher


class RewardRedemptionChanged(Struct, frozen=True, kw_only=True):
    """A reward was claimed, is pending, or was handed out."""

    customer: Customer | None
    holder: Holder | None = None
    voucher: Voucher | None = None
    campaign: Campaign | None = None
    reward_redemption: RewardRedemption | None
    reward: Reward | None = None
    reward_assignment: RewardAssignment | None = None
    source: Related | None = None
    balance: Balance | None = None
    publication: Publication | None = None


class HolderAssignment(Struct, frozen=True, kw_only=True):
    """A redeemable was assigned to a customer, or the assignment was deleted."""

    holder: Holder | None
    voucher: Voucher | None = None
    campaign: Campaign | None = None
    customer: Customer | None = None
    promotion_tier: PromotionTier | None = None


class CustomerPublicationSucceeded(Struct, frozen=True, kw_only=True):
    """A voucher was published to a customer."""

    customer: Customer | None
    campaign: Campaign | None = None
    publication: Publication | None
    voucher: Voucher | None = None


class CustomerCustomEvent(Struct, frozen=True, kw_only=True):
    """A custom event of the merchant happened to a customer."""

    event: CustomEvent | None
    event_schema: NamedEvent | None
    customer: Customer | None
    referral: dict[str, Any] | None = None
    loyalty: dict[str, Any] | None = None
    campaign: Campaign | None = None
    promotion_tier: PromotionTier | None = None
    voucher: Voucher | None = None
    publication: Publication | None = None


class CustomerSegment(Struct, frozen=True, kw_only=True):
    """A customer entered or left a segment."""

    customer: Customer | None
    segment: Segment | None
    campaign: Campaign | None = None
    promotion_tier: PromotionTier | None = None
    voucher: Voucher | None = None
    publication: Publication | None = None


class CustomerLoyaltyTier(Struct, frozen=True, kw_only=True):
    """A customer joined, kept or left a tier."""

    customer: Customer | None
    campaign: Campaign | None = None
    loyalty_tier: LoyaltyTier | None
    created_at: Validated[str | None] = None


class CustomerLoyaltyTierMoved(Struct, frozen=True, kw_only=True):
    """A customer moved up or down to another tier."""

    customer: Customer | None
    campaign: Campaign | None = None
    loyalty_tier: LoyaltyTier | None = None
    loyalty_tier_from: LoyaltyTier | None = None
    loyalty_tier_to: LoyaltyTier | None = None
    created_at: Validated[str | None] = None


class CustomerOrder(Struct, frozen=True, kw_only=True):
    """A customer's order was created, paid, changed or canceled."""

    customer: Customer | None
    order: Order | None
    referrer: Customer | None = None
    redemption: Redemption | None = None
    campaign: Campaign | None = None
    promotion_tier: PromotionTier | None = None
    voucher: Voucher | None = None
    publication: Publication | None = None


class CustomerReferred(Struct, frozen=True, kw_only=True):
    """A customer was referred by another customer."""

    customer: Customer | None
    referrer: Customer | None = None
    campaign: Campaign | None = None
    voucher: Voucher | None = None
    holder: Holder | None = None
    redemption: Redemption | None = None
    order: Order | None = None
    custom_event: CustomEvent | None = None


class ManualDistribution(Struct, frozen=True, kw_only=True):
    """A distribution was sent by a person or on its schedule."""

    customer: Customer | None = None
    distribution: Distribution | None
    campaign: Campaign | None = None
    promotion_tier: PromotionTier | None = None
    voucher: Voucher | None = None
    publication: Publication | None = None


DISTRIBUTION: dict[str, type[Struct]] = {
    "customer.custom_event": CustomerCustomEvent,
    "customer.segment.entered": CustomerSegment,
    "customer.segment.left": CustomerSegment,
    "customer.loyalty.tier.joined": CustomerLoyaltyTier,
    "customer.loyalty.tier.upgraded": CustomerLoyaltyTierMoved,
    "customer.loyalty.tier.downgraded": CustomerLoyaltyTierMoved,
    "customer.loyalty.tier.prolonged": CustomerLoyaltyTier,
    "customer.loyalty.tier.left": CustomerLoyaltyTier,
    "customer.order.created": CustomerOrder,
    "customer.order.paid": CustomerOrder,
    "customer.order.updated": CustomerOrder,
    "customer.order.canceled": CustomerOrder,
    "customer.publication.succeeded": CustomerPublicationSucceeded,
    "customer.redemption.succeeded": RedemptionMade,
    "customer.redemption.rollback.succeeded": RedemptionRolledBack,
    "customer.referred": CustomerReferred,
    "customer.rewarded": CustomerRewarded,
    "customer.rewarded.loyalty_points": CustomerRewardedLoyaltyPoints,
    "customer.reward_redemptions.created": RewardRedemptionChanged,
    "customer.reward_redemptions.pending": RewardRedemptionChanged,
    "customer.reward_redemptions.completed": RewardRedemptionChanged,
    "customer.voucher.gift.balance_added": GiftBalanceAdded,
    "customer.voucher.loyalty_card.points_added": PointsAdded,
    "customer.voucher.loyalty_card.points_expired": PointsExpired,
    "customer.voucher.loyalty_card.pending_points.added": PendingPointsChanged,
    "customer.voucher.loyalty_card.pending_points.updated": PendingPointsChanged,
    "customer.voucher.loyalty_card.pending_points.activated": PendingPointsActivated,
    "customer.voucher.loyalty_card.pending_points.canceled": PendingPointsChanged,
    "customer.holder.assignment.created": HolderAssignment,
    "customer.holder.assignment.deleted": HolderAssignment,
    "loyalty_card.pending_points.updated": PendingPointsChanged,
    "manual_distribution_schedule": ManualDistribution,
}
"""Event name -> its `data`. Names and shapes: docs.voucherify.io, "Introduction to webhooks v2024-01-01"."""
