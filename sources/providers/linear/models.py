"""The events of Linear that are used most, as typed structs.

linear.app/developers/webhooks, and the schema of webhook payloads that is linked there. Times are text in ISO
8601, except for `webhookTimestamp`, in ms since 1970.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Actor(Struct, frozen=True, kw_only=True, rename="camel"):
    """The author of a change: a user, an app or an integration."""

    id: str | None = None
    type: str | None = None
    name: str | None = None
    email: str | None = None


class Named(Struct, frozen=True, kw_only=True, rename="camel"):
    """A state, team, project or user that an object refers to. A team has a `key`, a state a `type`."""

    id: str
    name: str | None = None
    key: str | None = None
    type: str | None = None
    email: str | None = None


class IssueDetails(Struct, frozen=True, kw_only=True, rename="camel"):
    """An issue. `identifier` is such as ENG-123; priority 1 is urgent, and 0 means no priority."""

    id: str
    title: str
    identifier: str | None = None
    number: int | None = None
    description: str | None = None
    priority: int | None = None
    priority_label: str | None = None
    state: Named | None = None
    team: Named | None = None
    project: Named | None = None
    assignee: Named | None = None
    due_date: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    url: str | None = None


class CommentDetails(Struct, frozen=True, kw_only=True, rename="camel"):
    """A comment on an issue or another object."""

    id: str
    body: str
    issue_id: str | None = None
    user_id: str | None = None
    issue: dict[str, Any] | None = None
    user: Named | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Issue(Struct, frozen=True, kw_only=True, rename="camel"):
    """An issue was created, updated or removed: `action` says which. It is in `data`."""

    action: str
    type: str
    data: IssueDetails
    created_at: str
    updated_from: dict[str, Any] | None = None
    """For updates: the earlier values of what changed."""

    actor: Actor | None = None
    url: str | None = None
    organization_id: str | None = None


class Comment(Struct, frozen=True, kw_only=True, rename="camel"):
    """A comment was created, updated or removed: `action` says which. It is in `data`."""

    action: str
    type: str
    data: CommentDetails
    created_at: str
    updated_from: dict[str, Any] | None = None
    actor: Actor | None = None
    url: str | None = None
    organization_id: str | None = None


MODELS: dict[str, type[Struct]] = {"Issue.*": Issue, "Comment.*": Comment}
"""The models by event name."""
