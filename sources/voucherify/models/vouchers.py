"""Vouchers in their three forms: loyalty card, gift and discount."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Relied


class ExpirationRules(Struct, frozen=True, kw_only=True):
    """When points on a card expire."""

    period_type: str | None = None
    period_value: int | None = None
    rounding_type: str | None = None
    rounding_value: int | None = None


class LoyaltyCard(Struct, frozen=True, kw_only=True):
    """Points on a card: gathered over its lifetime, and to spend now."""

    points: Relied[int | None] = None
    balance: Relied[int | None] = None
    next_expiration_date: str | None = None
    next_expiration_points: int | None = None
    pending_points: int | None = None
    expired_points: int | None = None
    subtracted_points: int | None = None
    expiration_rules: ExpirationRules | None = None


class Gift(Struct, frozen=True, kw_only=True):
    """Credits on a gift card, in hundredths of the currency: gathered over its lifetime, and to spend now."""

    amount: Relied[float | None] = None
    balance: Relied[float | None] = None
    effect: str | None = None


class Discount(Struct, frozen=True, kw_only=True):
    """What a discount takes off. `type`: AMOUNT, PERCENT, UNIT, FIXED."""

    type: str | None = None
    effect: str | None = None
    amount_off: float | None = None
    amount_off_formula: str | None = None
    amount_limit: float | None = None
    aggregated_amount_limit: float | None = None
    percent_off: float | None = None
    percent_off_formula: str | None = None
    fixed_amount: float | None = None
    fixed_amount_formula: str | None = None
    unit_off: float | None = None
    unit_off_formula: str | None = None
    unit_type: str | None = None
    units: list[dict[str, Any]] | None = None
    product: dict[str, Any] | None = None
    sku: dict[str, Any] | None = None


class Redemptions(Struct, frozen=True, kw_only=True):
    """How often a voucher may be and was redeemed; `quantity` null: without limit."""

    quantity: int | None = None
    redeemed_quantity: int | None = None
    redeemed_points: int | None = None
    redeemed_amount: int | None = None
    url: str | None = None
    object: str | None = None


class Asset(Struct, frozen=True, kw_only=True):
    """A picture of a code."""

    id: str | None = None
    url: str | None = None


class Assets(Struct, frozen=True, kw_only=True):
    """A code as pictures."""

    qr: Asset | None = None
    barcode: Asset | None = None


class Publications(Struct, frozen=True, kw_only=True):
    """How often a voucher was published."""

    url: str | None = None
    count: int | None = None
    object: str | None = None


class Category(Struct, frozen=True, kw_only=True):
    """A category with its place in the order of precedence."""

    id: str | None = None
    name: str | None = None
    object: str | None = None
    hierarchy: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


class RuleAssignment(Struct, frozen=True, kw_only=True):
    """A validation rule at work on a redeemable."""

    id: Relied[str | None] = None
    object: str | None = None
    rule_id: Relied[str | None] = None
    created_at: str | None = None
    updated_at: str | None = None
    related_object_id: Relied[str | None] = None
    related_object_type: Relied[str | None] = None
    validation_status: str | None = None


class RuleAssignments(Struct, frozen=True, kw_only=True):
    """A list of assignments, as the vendor wraps lists."""

    data: list[RuleAssignment] | None = None
    total: int | None = None
    object: str | None = None
    data_ref: str | None = None


class ValidityTimeframe(Struct, frozen=True, kw_only=True):
    """Open for `duration`, every `interval`; both ISO 8601 durations."""

    duration: str | None = None
    interval: str | None = None


class Voucher(Struct, frozen=True, kw_only=True):
    """A code. The one of `loyalty_card`, `gift` and `discount` that goes with `type` is set."""

    id: Relied[str | None] = None
    code: Relied[str | None] = None
    loyalty_card: Relied[LoyaltyCard | None] = None
    type: Relied[str | None] = None
    """LOYALTY_CARD, GIFT_VOUCHER, DISCOUNT_VOUCHER"""

    campaign: Relied[str | None] = None
    """The campaign's name."""

    campaign_id: str | None = None
    category: str | None = None
    category_id: str | None = None
    categories: list[Category] | None = None
    gift: Relied[Gift | None] = None
    discount: Discount | None = None
    is_referral_code: bool | None = None
    holder_id: Relied[str | None] = None
    referrer_id: str | None = None
    active: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None
    redemption: Redemptions | None = None
    publish: Publications | None = None
    start_date: str | None = None
    expiration_date: str | None = None
    validity_timeframe: ValidityTimeframe | None = None
    validity_day_of_week: list[int] | None = None
    validity_hours: dict[str, Any] | None = None
    additional_info: str | None = None
    metadata: dict[str, Any] | None = None
    assets: Assets | None = None
    validation_rules_assignments: RuleAssignments | None = None
    object: str | None = None
