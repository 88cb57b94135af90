"""`data` of the events that only project webhooks send. A field without a default is in every body, maybe null."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.campaigns import (
    Campaign,
    Distribution,
    PromotionStack,
    PromotionTier,
    ReferralTier,
    ValidationRule,
)
from sources.voucherify.models.loyalty import EarningRule, LoyaltyTier, Reward, RewardAssignment
from sources.voucherify.models.orders import CustomEvent, Order, Publication, Redemption
from sources.voucherify.models.people import Customer, Holder, Segment
from sources.voucherify.models.points import Balance, Transaction
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
from sources.voucherify.models.vouchers import RuleAssignment, Voucher


class CustomerChanged(Struct, frozen=True, kw_only=True):
    """A customer was created, changed, deleted or confirmed."""

    customer: Customer


class VoucherChanged(Struct, frozen=True, kw_only=True):
    """A voucher was created, changed, deleted, enabled or disabled."""

    voucher: Voucher | None
    campaign: Campaign | None = None


class VoucherPublished(Struct, frozen=True, kw_only=True):
    """A voucher was published to a customer."""

    customer: Customer | None = None
    campaign: Campaign | None = None
    publication: Publication | None
    voucher: Voucher | None = None
    vouchers: list[Any] | None = None
    user: dict[str, Any] | None = None
    created_at: Validated[str | None] = None


class TransactionCreated(Struct, frozen=True, kw_only=True):
    """A transaction of points or credits was made. The field with its reason is set, the others are null."""

    transaction: Transaction | None
    voucher: Voucher | None
    campaign: Campaign | None = None
    holder: Holder | None = None
    holder_loyalty_tier: LoyaltyTier | None = None
    balance: Balance | None = None
    order: Order | None = None
    event: CustomEvent | None = None
    earning_rule: EarningRule | None = None
    segment: Segment | None = None
    loyalty_tier: LoyaltyTier | None = None
    redemption: Redemption | None = None
    rollback: Redemption | None = None
    reward: Reward | None = None
    custom_event: CustomEvent | None = None
    source_voucher: Voucher | None = None
    destination_voucher: Voucher | None = None


class CampaignChanged(Struct, frozen=True, kw_only=True):
    """A campaign was created, changed, deleted, enabled or disabled."""

    campaign: Campaign | None
    created_at: Validated[str | None] = None
    updated_at: Validated[str | None] = None
    deleted_at: Validated[str | None] = None


class CampaignVouchers(Struct, frozen=True, kw_only=True):
    """Vouchers of a campaign were added, or their generation began, succeeded or failed."""

    campaign: Campaign | None
    count: Validated[int | None] = None
    vouchers: list[Voucher] | None = None
    voucher: Voucher | None = None
    created_at: Validated[str | None] = None
    started_at: Validated[str | None] = None
    completed_at: Validated[str | None] = None
    failed_at: Validated[str | None] = None


class CampaignLoyaltyTier(Struct, frozen=True, kw_only=True):
    """A tier of a loyalty programme was created, changed or deleted."""

    campaign: Campaign | None
    loyalty_tier: LoyaltyTier | None = None


class CampaignReferralTier(Struct, frozen=True, kw_only=True):
    """A tier of a referral programme was created, changed or deleted."""

    campaign: Campaign | None
    referral_tier: ReferralTier | None = None


class CampaignPromotionTier(Struct, frozen=True, kw_only=True):
    """A promotion tier was created, changed, deleted, enabled or disabled."""

    campaign: Campaign | None
    promotion_tier: PromotionTier | None = None


class CampaignPromotionStack(Struct, frozen=True, kw_only=True):
    """A promotion stack was created or changed."""

    campaign: Campaign | None
    promotion_stack: PromotionStack | None = None


class CampaignEarningRule(Struct, frozen=True, kw_only=True):
    """An earning rule was added to a campaign, changed, deleted, enabled or disabled."""

    campaign: Campaign | None
    earning_rule: EarningRule | None = None


class CampaignRewardAssignment(Struct, frozen=True, kw_only=True):
    """A reward was assigned to a campaign, or the assignment was changed or deleted."""

    campaign: Campaign | None
    reward: Reward | None = None
    reward_assignment: RewardAssignment | None = None


class ValidationRuleChanged(Struct, frozen=True, kw_only=True):
    """A validation rule was created, changed or deleted."""

    rule: ValidationRule | None
    created_at: Validated[str | None] = None
    updated_at: Validated[str | None] = None
    deleted_at: Validated[str | None] = None


class ValidationRuleAssignment(Struct, frozen=True, kw_only=True):
    """A validation rule was assigned to an object, or the assignment was deleted."""

    rule: ValidationRule | None
    assignment: RuleAssignment | None = None
    voucher: Voucher | None = None
    campaign: Campaign | None = None
    distribution: Distribution | None = None
    promotion_tier: PromotionTier | None = None
    earning_rule: EarningRule | None = None


def _each(prefix: str, *suffixes: str, data: type[Struct]) -> dict[str, type[Struct]]:
    return {f"{prefix}.{suffix}": data for suffix in suffixes}


PROJECT: dict[str, type[Struct]] = {
    **_each("redemption", "succeeded", "failed", data=RedemptionMade),
    **_each("redemption.rollback", "succeeded", "failed", data=RedemptionRolledBack),
    **_each("customer", "created", "updated", "deleted", "confirmed", data=CustomerChanged),
    "customer.rewarded": CustomerRewarded,
    "customer.rewarded.loyalty_points": CustomerRewardedLoyaltyPoints,
    "publication.succeeded": VoucherPublished,
    **_each("voucher", "created", "updated", "deleted", "enabled", "disabled", data=VoucherChanged),
    "voucher.published": VoucherPublished,
    "voucher.gift.balance_added": GiftBalanceAdded,
    "voucher.gift.transaction.created": TransactionCreated,
    "voucher.loyalty_card.points_added": PointsAdded,
    "voucher.loyalty_card.points_expired": PointsExpired,
    "voucher.loyalty_card.transaction.created": TransactionCreated,
    **_each("voucher.loyalty_card.pending_points", "added", "updated", "canceled", data=PendingPointsChanged),
    "voucher.loyalty_card.pending_points.activated": PendingPointsActivated,
    **_each("campaign", "created", "updated", "deleted", "enabled", "disabled", data=CampaignChanged),
    "campaign.vouchers.added": CampaignVouchers,
    **_each("campaign.vouchers.generation", "started", "completed", "failed", data=CampaignVouchers),
    **_each("campaign.loyalty_tier", "created", "updated", "deleted", data=CampaignLoyaltyTier),
    **_each("campaign.referral_tier", "created", "updated", "deleted", data=CampaignReferralTier),
    **_each(
        "campaign.promotion_tier",
        *("created", "updated", "deleted", "enabled", "disabled"),
        data=CampaignPromotionTier,
    ),
    **_each("campaign.promotion_stack", "created", "updated", data=CampaignPromotionStack),
    **_each(
        "campaign.earning_rule",
        *("assigned", "deleted", "enabled", "disabled", "updated"),
        data=CampaignEarningRule,
    ),
    **_each("campaign.reward.assignment", "created", "updated", "deleted", data=CampaignRewardAssignment),
    **_each("business_validation_rule", "created", "updated", "deleted", data=ValidationRuleChanged),
    **_each("business_validation_rule.assignment", "created", "deleted", data=ValidationRuleAssignment),
}
"""Event name -> its `data`. Names and shapes: docs.voucherify.io, "Introduction to webhooks v2024-01-01"."""
