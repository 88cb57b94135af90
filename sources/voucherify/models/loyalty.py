"""Loyalty programmes: tiers, earning rules and rewards."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from sources.voucherify.models.people import Customer
from sources.voucherify.models.points import RuleSource
from sources.voucherify.models.validated_fields import Validated
from sources.voucherify.models.vouchers import Voucher


class PointsRange(Struct, frozen=True, kw_only=True):
    """The points that belong to a tier, both ends included."""

    from_: int | None = field(default=None, name="from")
    to: int | None = None


class TierConfig(Struct, frozen=True, kw_only=True):
    """The condition for reaching a tier."""

    points: PointsRange | None = None


class TierExpiration(Struct, frozen=True, kw_only=True):
    """The period for which a customer keeps a tier."""

    customer_id: str | None = None
    campaign_id: str | None = None
    tier_id: str | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class TierEffect(Struct, frozen=True, kw_only=True):
    """The change that a tier makes to an earning rule or a reward."""

    type: str | None = None
    multiplier: float | None = None
    points: float | None = None


class LoyaltyTier(Struct, frozen=True, kw_only=True):
    """A step in a loyalty programme."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    campaign_id: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    earning_rules: dict[str, TierEffect] | None = None
    rewards: dict[str, TierEffect] | None = None
    config: TierConfig | None = None
    points: PointsRange | None = None
    expiration: TierExpiration | None = None
    object: str | None = None


class RuleParameters(Struct, frozen=True, kw_only=True):
    """The settings of an earning rule."""

    event: str | None = None
    banner: str | None = None
    loyalty: dict[str, Any] | None = None


class EarningRule(Struct, frozen=True, kw_only=True):
    """A rule by which customers earn points. The form of `loyalty` (how many) depends on its type."""

    id: Validated[str | None] = None
    created_at: str | None = None
    updated_at: str | None = None
    validation_rule_id: str | None = None
    loyalty: dict[str, Any] | None = None
    event: Validated[str | None] = None
    source: RuleSource | None = None
    parameters: RuleParameters | None = None
    active: bool | None = None
    object: str | None = None
    automation_id: str | None = None
    campaign_id: str | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    metadata: dict[str, Any] | None = None


class Product(Struct, frozen=True, kw_only=True):
    """A product that a reward consists of."""

    id: str | None = None
    source_id: str | None = None
    name: str | None = None
    price: int | None = None
    metadata: dict[str, Any] | None = None


class Reward(Struct, frozen=True, kw_only=True):
    """A reward that customers exchange points for. `type`: MATERIAL, CAMPAIGN, COIN."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    type: Validated[str | None] = None
    customer: Customer | None = None
    assignment_id: str | None = None
    product: Product | None = None
    sku: dict[str, Any] | None = None
    voucher: Voucher | None = None
    loyalty_tier_id: str | None = None
    stock: int | None = None
    redeemed: int | None = None
    parameters: dict[str, Any] | None = None
    attributes: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class RewardCost(Struct, frozen=True, kw_only=True):
    """The price of a reward."""

    points: int | None = None


class RewardParameters(Struct, frozen=True, kw_only=True):
    """The price of a reward for a loyalty card."""

    loyalty: RewardCost | None = None


class RewardAssignment(Struct, frozen=True, kw_only=True):
    """An offer of a reward in a campaign."""

    id: Validated[str | None] = None
    object: str | None = None
    reward_id: Validated[str | None] = None
    parameters: RewardParameters | None = None
    related_object_id: str | None = None
    related_object_type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class RewardRedemption(Struct, frozen=True, kw_only=True):
    """The handing out of a reward. `state`: PENDING, COMPLETED."""

    id: Validated[str | None] = None
    state: Validated[str | None] = None
    source_id: str | None = None
    source_type: str | None = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    customer_id: str | None = None
    reward_assignment_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
