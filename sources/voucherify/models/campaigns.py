"""Campaigns and their parts: promotions, validation rules and distributions."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Validated
from sources.voucherify.models.vouchers import (
    Category,
    Discount,
    Gift,
    LoyaltyCard,
    Redemptions,
    ValidityTimeframe,
)


class CodeConfig(Struct, frozen=True, kw_only=True):
    """Rules by which Voucherify generates codes."""

    length: float | None = None
    prefix: str | None = None
    charset: str | None = None
    pattern: str | None = None
    postfix: str | None = None
    initial_count: int | None = None


class VoucherTemplate(Struct, frozen=True, kw_only=True):
    """Values that each new voucher of a campaign gets."""

    type: str | None = None
    loyalty_card: LoyaltyCard | None = None
    gift: Gift | None = None
    discount: Discount | None = None
    redemption: Redemptions | None = None
    code_config: CodeConfig | None = None
    is_referral_code: bool | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    validity_timeframe: ValidityTimeframe | None = None
    validity_day_of_week: list[int] | None = None
    validity_hours: dict[str, Any] | None = None


class NamedEvent(Struct, frozen=True, kw_only=True):
    """The schema of a custom event."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None


class ReferralProgram(Struct, frozen=True, kw_only=True):
    """Conditions of a referral, and the reward for it."""

    conversion_event_type: str | None = None
    custom_event: NamedEvent | None = None
    referee_reward: dict[str, Any] | None = None


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign: a loyalty programme, gift cards, discount coupons, a referral programme or promotions."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    campaign_type: Validated[str | None] = None
    """LOYALTY_PROGRAM, GIFT_VOUCHERS, DISCOUNT_COUPONS, REFERRAL_PROGRAM, PROMOTION, ..."""

    type: str | None = None
    """Type of generation: AUTO_UPDATE, STATIC, STANDALONE."""

    is_referral_code: bool | None = None
    voucher: VoucherTemplate | None = None
    referral_program: ReferralProgram | None = None
    auto_join: bool | None = None
    join_once: bool | None = None
    active: bool | None = None
    category_id: str | None = None
    category: str | None = None
    categories: list[Category] | None = None
    metadata: dict[str, Any] | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    validity_timeframe: ValidityTimeframe | None = None
    validity_day_of_week: list[int] | None = None
    validity_hours: dict[str, Any] | None = None
    activity_duration_after_publishing: str | None = None
    loyalty_tiers_expiration: dict[str, Any] | None = None
    vouchers_count: int | None = None
    vouchers_generation_status: str | None = None
    use_voucher_metadata_schema: bool | None = None
    creation_status: str | None = None
    protected: bool | None = None
    description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class PromotionAction(Struct, frozen=True, kw_only=True):
    """The effect of a promotion."""

    discount: Discount | None = None


class PromotionTier(Struct, frozen=True, kw_only=True):
    """A discount that needs no code."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    banner: str | None = None
    action: PromotionAction | None = None
    active: bool | None = None
    hierarchy: int | None = None
    campaign: Campaign | None = None
    campaign_id: str | None = None
    category_id: str | None = None
    category: str | None = None
    categories: list[Category] | None = None
    metadata: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    validity_timeframe: ValidityTimeframe | None = None
    validity_day_of_week: list[int] | None = None
    validity_hours: dict[str, Any] | None = None
    validation_rule_assignments: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class PromotionStack(Struct, frozen=True, kw_only=True):
    """Promotion tiers that apply together, in order."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    tiers: dict[str, Any] | None = None
    campaign_id: str | None = None
    category_id: str | None = None
    categories: list[Category] | None = None
    metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class ReferralTier(Struct, frozen=True, kw_only=True):
    """A step in a referral programme."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    campaign_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class RuleMessage(Struct, frozen=True, kw_only=True):
    """The message that a customer sees when a validation rule is not met."""

    message: str | None = None


class ValidationRule(Struct, frozen=True, kw_only=True):
    """Conditions under which something may be redeemed."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    type: str | None = None
    error: RuleMessage | None = None
    rules: dict[str, Any] | None = None
    context_type: str | None = None
    applicable_to: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    assignments_count: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class Distribution(Struct, frozen=True, kw_only=True):
    """A distribution: the part of Voucherify that sends distribution webhooks."""

    id: Validated[str | None] = None
    name: Validated[str | None] = None
    status: str | None = None
    consents: dict[str, Any] | None = None
    distribution_channels: list[Any] | str | None = None
    set_live_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None
