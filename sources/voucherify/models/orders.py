"""Orders, redemptions, publications and custom events."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sources.voucherify.models.campaigns import PromotionTier
from sources.voucherify.models.loyalty import Product, Reward
from sources.voucherify.models.people import Customer
from sources.voucherify.models.validated_fields import Relied
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

    id: Relied[str | None] = None
    source_id: Relied[str | None] = None
    status: Relied[str | None] = None
    customer_id: str | None = None
    customer: Customer | None = None
    referrer_id: str | None = None
    referrer: Customer | None = None
    amount: Relied[float | None] = None
    """Before discounts."""

    initial_amount: float | None = None
    discount_amount: float | None = None
    applied_discount_amount: float | None = None
    items_discount_amount: float | None = None
    items_applied_discount_amount: float | None = None
    total_discount_amount: float | None = None
    total_applied_discount_amount: float | None = None
    total_amount: Relied[float | None] = None
    """After discounts."""

    items: list[OrderItem] | None = None
    redemptions: dict[str, OrderRedemption] | None = None
    metadata: Relied[dict[str, Any] | None] = None
    created_at: str | None = None
    updated_at: str | None = None
    object: str | None = None


class Redemption(Struct, frozen=True, kw_only=True):
    """A use of a voucher or a promotion. `result`: SUCCESS, FAILURE; `amount`: points or credits spent."""

    id: Relied[str | None] = None
    customer_id: str | None = None
    tracking_id: str | None = None
    date: Relied[str | None] = None
    amount: Relied[float | None] = None
    order: Order | None = None
    reward: Reward | None = None
    customer: Customer | None = None
    result: Relied[str | None] = None
    status: Relied[str | None] = None
    failure_code: Relied[str | None] = None
    failure_message: Relied[str | None] = None
    reason: Relied[str | None] = None
    redemption: str | None = None
    """Of a rollback: the redemption that it reverses."""

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
    """The handing over of a voucher to a customer. `result`: SUCCESS, FAILURE."""

    id: Relied[str | None] = None
    object: str | None = None
    created_at: str | None = None
    customer_id: str | None = None
    tracking_id: str | None = None
    metadata: dict[str, Any] | None = None
    channel: Relied[str | None] = None
    source_id: str | None = None
    result: Relied[str | None] = None
    failure_code: str | None = None
    failure_message: str | None = None
    customer: Customer | None = None
    voucher: Voucher | None = None
    vouchers: list[str] | None = None
    vouchers_id: list[str] | None = None


class CustomEvent(Struct, frozen=True, kw_only=True):
    """An event of the merchant's own making, or the activity that earned points. `type` is its name."""

    id: Relied[str | None] = None
    object: str | None = None
    type: Relied[str | None] = None
    category: str | None = None
    entity_id: str | None = None
    group_id: str | None = None
    customer: Customer | None = None
    referral: dict[str, Any] | None = None
    loyalty: dict[str, Any] | None = None
    metadata: Relied[dict[str, Any] | None] = None
    created_at: str | None = None
