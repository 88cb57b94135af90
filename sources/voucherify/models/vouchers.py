"""Vouchers of the three kinds: loyalty card, gift and discount."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.validated_fields import Validated


class ExpirationRules(Struct, frozen=True, kw_only=True):
    """Rules by which points on a card expire."""

    period_type: str | None = None
    period_value: int | None = None
    rounding_type: str | None = None
    rounding_value: int | None = None


class LoyaltyCard(Struct, frozen=True, kw_only=True):
    """Points on a card: collected over its lifetime, and available now."""

    points: Validated[int | None] = None
    balance: Validated[int | None] = None
    next_expiration_date: str | None = None
    next_expiration_points: int | None = None
    pending_points: int | None = None
    expired_points: int | None = None
    subtracted_points: int | None = None
    expiration_rules: ExpirationRules | None = None


class Gift(Struct, frozen=True, kw_only=True):
    """Credits on a gift card, in hundredths of the currency: collected in all, and available now."""

    amount: Validated[float | None] = None
    balance: Validated[float | None] = None
    effect: str | None = None


class Discount(Struct, frozen=True, kw_only=True):
    """The reduction by a discount. `type`: AMOUNT, PERCENT, UNIT, FIXED."""

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
    """Number of redemptions, allowed and made; `quantity` null means no limit."""

    quantity: int | None = None
    redeemed_quantity: int | None = None
    redeemed_points: int | None = None
    redeemed_amount: int | None = None
    url: str | None = None
    object: str | None = None


class Asset(Struct, frozen=True, kw_only=True):
    """An image of a code."""

    id: str | None = None
    url: str | None = None


class Assets(Struct, frozen=True, kw_only=True):
    """The images of a code."""

    qr: Asset | None = None
    barcode: Asset | None = None


class Publications(Struct, frozen=True, kw_only=True):
    """Number of publications of a voucher."""

    url: str | None = None
    count: int | None = None
    object: str | None = None


class Category(Struct, frozen=True, kw_only=True):
    """A category, with its position in the order of precedence."""

    id: str | None = None
    name: str | None = None
    object: str | None = None
    hierarchy: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


class RuleAssignment(Struct, frozen=True, kw_only=True):
    """The assignment of a validation rule to a redeemable."""

    id: Validated[str | None] = None
    object: str | None = None
    rule_id: Validated[str | None] = None
    created_at: str | None = None
    updated_at: str | None = None
    related_object_id: Validated[str | None] = None
    related_object_type: Validated[str | None] = None
    validation_status: str | None = None


class RuleAssignments(Struct, frozen=True, kw_only=True):
    """A list of assignments, in the vendor's form of lists."""

    data: list[RuleAssignment] | None = None
    total: int | None = None
    object: str | None = None
    data_ref: str | None = None


class ValidityTimeframe(Struct, frozen=True, kw_only=True):
    """A period of `duration` that starts once per `interval`; both are ISO 8601 durations."""

    duration: str | None = None
    interval: str | None = None


class Voucher(Struct, frozen=True, kw_only=True):
    """A code. Of `loyalty_card`, `gift` and `discount`, the one that belongs to `type` is set."""

    id: Validated[str | None] = None
    code: Validated[str | None] = None
    loyalty_card: Validated[LoyaltyCard | None] = None
    type: Validated[str | None] = None
    """Kind of voucher: LOYALTY_CARD, GIFT_VOUCHER, DISCOUNT_VOUCHER."""

    campaign: Validated[str | None] = None
    """The name of the campaign."""

    campaign_id: str | None = None
    category: str | None = None
    category_id: str | None = None
    categories: list[Category] | None = None
    gift: Validated[Gift | None] = None
    discount: Discount | None = None
    is_referral_code: bool | None = None
    holder_id: Validated[str | None] = None
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
