"""Orders, redemptions, publications and custom events."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.campaigns import PromotionTier
from sources.voucherify.models.loyalty import Product, Reward
from sources.voucherify.models.people import Customer
from sources.voucherify.models.validated_fields import Validated
from sources.voucherify.models.vouchers import Voucher


class OrderItem(Struct, frozen=True, kw_only=True):
    """A line of an order; amounts in hundredths of the currency."""

    object: str | None = None
    id: str | None = None
    product_id: str | None = None
    sku_id: str | None = None
    source_id: str | None = None
    related_object: str | None = None
    quantity: float | None = None
    discount_quantity: float | None = None
    initial_quantity: float | None = None
    amount: float | None = None
    initial_amount: float | None = None
    discount_amount: float | None = None
    applied_discount_amount: float | None = None
    price: float | None = None
    subtotal_amount: float | None = None
    product: Product | None = None
    sku: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class OrderRedemption(Struct, frozen=True, kw_only=True):
    """A redemption that belongs to an order."""

    date: str | None = None
    related_object_type: str | None = None
    related_object_id: str | None = None
    related_object_parent_id: str | None = None
    rollback_id: str | None = None
    rollback_date: str | None = None
    stacked: list[str] | None = None
    rollback_stacked: list[str] | None = None


class Order(Struct, frozen=True, kw_only=True):
    """An order; amounts in hundredths of the currency. `status`: CREATED, PAID, FULFILLED, CANCELED."""

    id: Validated[str | None] = None
    source_id: Validated[str | None] = None
    status: Validated[str | None] = None
    customer_id: str | None = None
    customer: Customer | None = None
    referrer_id: str | None = None
    referrer: Customer | None = None
    amount: Validated[float | None] = None
    """The amount before discounts."""

    initial_amount: float | None = None
    discount_amount: float | None = None
    applied_discount_amount: float | None = None
    items_discount_amount: float | None = None
    items_applied_discount_amount: float | None = None
    total_discount_amount: float | None = None
    total_applied_discount_amount: float | None = None
    total_amount: Validated[float | None] = None
    """The amount after discounts."""

    items: list[OrderItem] | None = None
    redemptions: dict[str, OrderRedemption] | None = None
    metadata: Validated[dict[str, Any] | None] = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class Redemption(Struct, frozen=True, kw_only=True):
    """A use of a voucher or a promotion. `result`: SUCCESS, FAILURE; `amount`: points or credits spent."""

    id: Validated[str | None] = None
    customer_id: str | None = None
    tracking_id: str | None = None
    date: Validated[str | None] = None
    amount: Validated[float | None] = None
    order: Order | None = None
    reward: Reward | None = None
    customer: Customer | None = None
    result: Validated[str | None] = None
    status: Validated[str | None] = None
    failure_code: Validated[str | None] = None
    failure_message: Validated[str | None] = None
    reason: Validated[str | None] = None
    redemption: str | None = None
    """In a rollback: the redemption that is reversed."""

    related_object_type: str | None = None
    related_object_id: str | None = None
    voucher: Voucher | None = None
    promotion_tier: PromotionTier | None = None
    gift: dict[str, Any] | None = None
    loyalty_card: dict[str, Any] | None = None
    channel: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class Publication(Struct, frozen=True, kw_only=True):
    """The publication of a voucher to a customer. `result`: SUCCESS, FAILURE."""

    id: Validated[str | None] = None
    object: str | None = None
    created_at: str | None = None
    customer_id: str | None = None
    tracking_id: str | None = None
    metadata: dict[str, Any] | None = None
    channel: Validated[str | None] = None
    source_id: str | None = None
    result: Validated[str | None] = None
    failure_code: str | None = None
    failure_message: str | None = None
    customer: Customer | None = None
    voucher: Voucher | None = None
    vouchers: list[str] | None = None
    vouchers_id: list[str] | None = None


class CustomEvent(Struct, frozen=True, kw_only=True):
    """A custom event of the merchant, or the activity that earned points. `type` is its name."""

    id: Validated[str | None] = None
    object: str | None = None
    type: Validated[str | None] = None
    category: str | None = None
    entity_id: str | None = None
    group_id: str | None = None
    customer: Customer | None = None
    referral: dict[str, Any] | None = None
    loyalty: dict[str, Any] | None = None
    metadata: Validated[dict[str, Any] | None] = None
    created_at: str | None = None
