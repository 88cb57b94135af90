"""The events of Slack that are used most, as typed structs.

docs.slack.dev, "The Events API", "Implementing slash commands" and "Interaction payloads". A `ts` is text that
identifies a message in its channel; `event_time` is in seconds since 1970.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from msgspec import Struct

_Inner = TypeVar("_Inner")


class Message(Struct, frozen=True, kw_only=True):
    """A message. One that was changed or deleted has a `subtype`, and other keys than a new one."""

    channel: str
    ts: str
    event_ts: str | None = None
    user: str | None = None
    text: str | None = None
    subtype: str | None = None
    channel_type: str | None = None
    thread_ts: str | None = None
    bot_id: str | None = None


class AppMention(Struct, frozen=True, kw_only=True):
    """A message that mentions the app."""

    channel: str
    ts: str
    text: str
    event_ts: str | None = None
    user: str | None = None
    thread_ts: str | None = None
    bot_id: str | None = None


class EventCallback(Struct, Generic[_Inner], frozen=True, kw_only=True):
    """An event of the Events API. What happened is in `event`."""

    team_id: str
    api_app_id: str
    event: _Inner
    event_id: str
    event_time: int


class SlashCommand(Struct, frozen=True, kw_only=True):
    """A slash command. `text` is what follows the command. All values are text."""

    command: str
    text: str
    user_id: str
    channel_id: str
    team_id: str
    response_url: str
    trigger_id: str
    user_name: str | None = None
    channel_name: str | None = None
    team_domain: str | None = None
    api_app_id: str | None = None


class InteractingUser(Struct, frozen=True, kw_only=True):
    """The user of an interaction."""

    id: str
    username: str | None = None
    name: str | None = None
    team_id: str | None = None


class Place(Struct, frozen=True, kw_only=True):
    """The channel or the workspace of an interaction. A channel has a name, a workspace a domain."""

    id: str
    name: str | None = None
    domain: str | None = None


class Action(Struct, frozen=True, kw_only=True):
    """A click or a choice. `value` is that of a button."""

    type: str
    action_id: str
    block_id: str | None = None
    value: str | None = None
    action_ts: str | None = None
    selected_option: dict[str, Any] | None = None


class View(Struct, frozen=True, kw_only=True):
    """A modal. What was entered is in `state`, by block and action."""

    id: str
    callback_id: str | None = None
    private_metadata: str | None = None
    state: dict[str, Any] | None = None


class BlockActions(Struct, frozen=True, kw_only=True):
    """A button was clicked, or something was chosen, in a message or a modal."""

    type: str
    user: InteractingUser
    actions: list[Action]
    trigger_id: str | None = None
    response_url: str | None = None
    team: Place | None = None
    channel: Place | None = None
    message: dict[str, Any] | None = None
    view: View | None = None


class ViewSubmission(Struct, frozen=True, kw_only=True):
    """A modal was submitted."""

    type: str
    user: InteractingUser
    view: View
    team: Place | None = None


MODELS: dict[str, type[Struct]] = {
    "message": EventCallback[Message],
    "app_mention": EventCallback[AppMention],
    "command:*": SlashCommand,
    "interaction:block_actions": BlockActions,
    "interaction:view_submission": ViewSubmission,
}
"""The models by event name."""
