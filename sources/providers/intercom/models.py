"""The notifications of Intercom about conversations, as typed structs.

developers.intercom.com, "Webhook Notifications" and the object Conversation. Times are in seconds since 1970.
"""

from __future__ import annotations

from msgspec import Struct


class Author(Struct, frozen=True, kw_only=True):
    """The author of the first message of a conversation."""

    id: str | None = None
    type: str | None = None
    name: str | None = None
    email: str | None = None


class ConversationSource(Struct, frozen=True, kw_only=True):
    """The first message of a conversation. `body` is HTML."""

    type: str | None = None
    subject: str | None = None
    body: str | None = None
    author: Author | None = None


class Contact(Struct, frozen=True, kw_only=True):
    """A contact who takes part in a conversation. `external_id` is that of your own system."""

    id: str
    external_id: str | None = None


class Contacts(Struct, frozen=True, kw_only=True):
    """The contacts who take part in a conversation."""

    contacts: list[Contact]


class ConversationDetails(Struct, frozen=True, kw_only=True):
    """A conversation. Its `state` is open, closed or snoozed."""

    id: str
    state: str | None = None
    open: bool | None = None
    title: str | None = None
    source: ConversationSource | None = None
    contacts: Contacts | None = None
    created_at: int | None = None
    updated_at: int | None = None


class ConversationData(Struct, frozen=True, kw_only=True):
    """The object that a notification is about."""

    item: ConversationDetails


class Conversation(Struct, frozen=True, kw_only=True):
    """A notification about a conversation, which is in `data.item`."""

    id: str
    topic: str
    created_at: int
    data: ConversationData
    app_id: str | None = None


MODELS: dict[str, type[Struct]] = dict.fromkeys(
    (
        "conversation.user.created",
        "conversation.user.replied",
        "conversation.admin.replied",
        "conversation.admin.closed",
    ),
    Conversation,
)
"""The models by event name."""
