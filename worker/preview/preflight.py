"""Checks a message by the steps with which a channel's `send` begins, before any request. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from worker.channels.apprise import addressed, url_of
from worker.channels.email.message import MailComposer
from worker.channels.errors import ChannelError
from worker.channels.http import posted
from worker.channels.settings import AppriseSettings, ChannelSettings, EmailSettings, FileSettings, HttpSettings
from worker.outcome import Dead
from worker.rules.render import Message

Refusal = Callable[[Message], Dead | None]


def refusal(settings: ChannelSettings) -> Refusal:
    """A function that returns why the channel refuses a message before any request; None where it sends it.

    A channel that cannot be opened refuses every message.
    """
    try:
        return partial(_refused, _first_steps(settings))
    except ChannelError as error:
        dead = Dead(reason="misconfigured", error=f"{error.setting}: {error}", error_class=type(error).__name__)
        return lambda _message: dead


def _first_steps(settings: ChannelSettings) -> Callable[[Message], object]:
    match settings:
        case EmailSettings():
            return MailComposer(settings).recipient
        case AppriseSettings():
            return partial(addressed, url_of(settings))
        case HttpSettings() | FileSettings():
            return posted
        case _:
            return lambda _message: None


def _refused(first_steps: Callable[[Message], object], message: Message) -> Dead | None:
    try:
        result = first_steps(message)
    except Exception as error:  # noqa: BLE001 - delivery retries such an error until the attempts are used up
        return Dead(reason="exhausted", error=str(error) or type(error).__name__, error_class=type(error).__name__)
    return result if isinstance(result, Dead) else None
