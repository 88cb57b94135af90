"""The events of Shopify that are used most, as typed structs.

shopify.dev, "Order" and "Customer" of the REST Admin API, whose form webhooks have. Amounts of money are text,
such as "19.99", and ids are whole numbers. An app sees personal data only if Shopify has approved that.
"""

from __future__ import annotations

from msgspec import Struct


class Address(Struct, frozen=True, kw_only=True):
    """The address of an order or a customer."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    zip: str | None = None
    city: str | None = None
    province: str | None = None
    country: str | None = None
    country_code: str | None = None
    phone: str | None = None


class Customer(Struct, frozen=True, kw_only=True):
    """A customer of a shop."""

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    state: str | None = None
    note: str | None = None
    tags: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    default_address: Address | None = None


class LineItem(Struct, frozen=True, kw_only=True):
    """A product of an order. `price` is that of one piece."""

    id: int
    title: str
    quantity: int
    price: str
    sku: str | None = None
    variant_id: int | None = None
    variant_title: str | None = None
    product_id: int | None = None
    vendor: str | None = None


class Order(Struct, frozen=True, kw_only=True):
    """An order. `name` is its number as customers see it, such as #1001."""

    id: int
    name: str
    order_number: int
    currency: str
    total_price: str
    line_items: list[LineItem]
    created_at: str
    updated_at: str | None = None
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    subtotal_price: str | None = None
    total_tax: str | None = None
    total_discounts: str | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    email: str | None = None
    phone: str | None = None
    note: str | None = None
    tags: str | None = None
    customer: Customer | None = None
    billing_address: Address | None = None
    shipping_address: Address | None = None


MODELS: dict[str, type[Struct]] = {
    "orders/create": Order,
    "orders/paid": Order,
    "orders/updated": Order,
    "orders/fulfilled": Order,
    "orders/cancelled": Order,
    "customers/create": Customer,
    "customers/update": Customer,
}
"""The models by event name."""
