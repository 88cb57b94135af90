"""`data` of the events that both kinds of webhook send. A field without a default is in every body."""

from __future__ import annotations

from msgspec import Struct

from sources.voucherify.models.campaigns import Campaign, PromotionStack, PromotionTier, ReferralTier
from sources.voucherify.models.loyalty import EarningRule, LoyaltyTier, Reward
from sources.voucherify.models.orders import CustomEvent, Order, Redemption
from sources.voucherify.models.people import Customer, Holder, Segment
from sources.voucherify.models.points import (
    Balance,
    Bucket,
    CreditBalance,
    PendingPoints,
    PointsBalance,
    Transaction,
)
from sources.voucherify.models.validated_fields import Validated
from sources.voucherify.models.vouchers import Voucher


class PointsAdded(Struct, frozen=True, kw_only=True):
    """Points were added to a loyalty card. All keys are present; all except `balance` may be null."""

    customer: Customer | None
    campaign: Campaign | None
    voucher: Voucher | None
    balance: PointsBalance
    transaction: Transaction | None


class PointsExpired(Struct, frozen=True, kw_only=True):
    """Points on a loyalty card expired."""

    customer: Customer | None = None
    campaign: Campaign | None
    voucher: Voucher | None
    points: Validated[int]
    buckets: list[Bucket] | Bucket | None = None
    transaction: Transaction | None


class GiftBalanceAdded(Struct, frozen=True, kw_only=True):
    """Credits were added to a gift card. A project webhook has no customer."""

    customer: Customer | None = None
    campaign: Campaign | None
    voucher: Voucher | None
    balance: CreditBalance
    transaction: Transaction | None


class PendingPointsChanged(Struct, frozen=True, kw_only=True):
    """Pending points were added, changed or canceled."""

    customer: Customer | None
    campaign: Campaign | None
    voucher: Voucher | None
    voucher_pending_points_balance: Balance | None
    order: Order | None = None
    redemption: Redemption | None = None
    pending_points: PendingPoints | None


class PendingPointsActivated(Struct, frozen=True, kw_only=True):
    """Pending points became available. A project webhook has the balance and the transaction."""

    customer: Customer | None
    campaign: Campaign | None
    voucher: Voucher | None
    voucher_pending_points_balance: Balance | None = None
    balance: Balance | None = None
    order: Order | None = None
    transaction: Transaction | None = None
    pending_points: PendingPoints | None


class CustomerRewarded(Struct, frozen=True, kw_only=True):
    """A customer received a reward, for points or in a referral programme."""

    customer: Customer | None
    holder: Holder | None = None
    voucher: Voucher | None = None
    campaign: Campaign | None = None
    redemption: Redemption | None = None
    reward: Reward | None = None
    referral_tier: ReferralTier | None = None
    balance: Balance | None = None
    custom_event: CustomEvent | None = None
    customer_event: CustomEvent | None = None


class CustomerRewardedLoyaltyPoints(Struct, frozen=True, kw_only=True):
    """A customer earned points."""

    customer: Customer | None
    holder: Holder | None = None
    voucher: Voucher | None = None
    campaign: Campaign | None = None
    loyalty_tier: LoyaltyTier | None = None
    earning_rule: EarningRule | None = None
    balance: Balance | None
    order: Order | None = None
    event: CustomEvent | None = None
    segment: Segment | None = None
    custom_event: CustomEvent | None = None


class RedemptionMade(Struct, frozen=True, kw_only=True):
    """A redemption succeeded or failed. Project and distribution webhooks have the same form."""

    customer: Customer | None = None
    order: Order | None = None
    campaign: Campaign | None = None
    voucher: Voucher | None = None
    holder: Holder | None = None
    promotion_tier: PromotionTier | None = None
    promotion_stack: PromotionStack | None = None
    redemption: Redemption | None
    created_at: Validated[str | None] = None


class RedemptionRolledBack(Struct, frozen=True, kw_only=True):
    """The rollback of a redemption succeeded or failed. Project and distribution webhooks have the same form."""

    customer: Customer | None = None
    order: Order | None = None
    campaign: Campaign | None = None
    voucher: Voucher | None = None
    holder: Holder | None = None
    promotion_tier: PromotionTier | None = None
    promotion_stack: PromotionStack | None = None
    redemption: Redemption | None
    rollback: Redemption | None = None
    redemption_rollback: Redemption | None = None
    reward: Reward | None = None
    created_at: Validated[str | None] = None
