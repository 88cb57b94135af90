"""Loyalty programmes: tiers, earning rules and rewards."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from sources.voucherify.models.people import Customer
from sources.voucherify.models.points import RuleSource
from sources.voucherify.models.validated_fields import Relied
from sources.voucherify.models.vouchers import Voucher


class PointsRange(Struct, frozen=True, kw_only=True):
    """Which points a tier spans, ends included."""

    from_: int | None = field(default=None, name="from")
    to: int | None = None


class TierConfig(Struct, frozen=True, kw_only=True):
    """How a tier is reached."""

    points: PointsRange | None = None


class TierExpiration(Struct, frozen=True, kw_only=True):
    """Until when a customer stays in a tier."""

    customer_id: str | None = None
    campaign_id: str | None = None
    tier_id: str | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class TierEffect(Struct, frozen=True, kw_only=True):
    """How a tier changes what a rule or a reward gives."""

    type: str | None = None
    multiplier: float | None = None
    points: float | None = None


class LoyaltyTier(Struct, frozen=True, kw_only=True):
    """A step in a loyalty programme."""

    id: Relied[str | None] = None
    name: Relied[str | None] = None
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
    """An earning rule as it was set up."""

    event: str | None = None
    banner: str | None = None
    loyalty: dict[str, Any] | None = None


class EarningRule(Struct, frozen=True, kw_only=True):
    """What earns points. How many (`loyalty`) depends on its type, so that part is left free."""

    id: Relied[str | None] = None
    created_at: str | None = None
    updated_at: str | None = None
    validation_rule_id: str | None = None
    loyalty: dict[str, Any] | None = None
    event: Relied[str | None] = None
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
    """Goods."""

    id: str | None = None
    source_id: str | None = None
    name: str | None = None
    price: int | None = None
    metadata: dict[str, Any] | None = None


class Reward(Struct, frozen=True, kw_only=True):
    """What points are exchanged for. `type`: MATERIAL, CAMPAIGN, COIN."""

    id: Relied[str | None] = None
    name: Relied[str | None] = None
    type: Relied[str | None] = None
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
    """What a reward costs."""

    points: int | None = None


class RewardParameters(Struct, frozen=True, kw_only=True):
    """What a reward costs on a card."""

    loyalty: RewardCost | None = None


class RewardAssignment(Struct, frozen=True, kw_only=True):
    """A reward on offer in a campaign."""

    id: Relied[str | None] = None
    object: str | None = None
    reward_id: Relied[str | None] = None
    parameters: RewardParameters | None = None
    related_object_id: str | None = None
    related_object_type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class RewardRedemption(Struct, frozen=True, kw_only=True):
    """A reward being handed out. `state`: PENDING, COMPLETED."""

    id: Relied[str | None] = None
    state: Relied[str | None] = None
    source_id: str | None = None
    source_type: str | None = None
    voucher_id: str | None = None
    campaign_id: str | None = None
    customer_id: str | None = None
    reward_assignment_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
