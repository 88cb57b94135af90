"""The events of HubSpot, as typed structs.

developers.hubspot.com, "Webhooks", subscriptions to contacts, companies and deals. `occurredAt` is in ms since
1970.
"""

from __future__ import annotations

from msgspec import Struct


class ObjectEvent(Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact, company or deal was created or deleted."""

    object_id: int
    event_id: int
    subscription_id: int
    portal_id: int
    occurred_at: int
    subscription_type: str
    app_id: int | None = None
    attempt_number: int | None = None
    change_source: str | None = None


class PropertyChange(ObjectEvent, frozen=True, kw_only=True, rename="camel"):
    """A property of a contact, company or deal has a new value."""

    property_name: str
    property_value: str | None = None


MODELS: dict[str, type[Struct]] = {
    f"{thing}.{change}": model
    for thing in ("contact", "company", "deal")
    for change, model in (("creation", ObjectEvent), ("deletion", ObjectEvent), ("propertyChange", PropertyChange))
}
"""The models by event name."""
