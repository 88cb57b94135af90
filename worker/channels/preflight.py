"""What a channel refuses before it asks anybody, by the steps that its `send` begins with. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from worker.channels.apprise import addressed, url_of
from worker.channels.email.message import Letters
from worker.channels.errors import ChannelError
from worker.channels.http import posted
from worker.channels.settings import AppriseSettings, ChannelSettings, EmailSettings, FileSettings, HttpSettings
from worker.outcome import Dead
from worker.rules.render import Message

Refusal = Callable[[Message], Dead | None]


def refusal(settings: ChannelSettings) -> Refusal:
    """Tells of each message how it would end without anybody being asked; None where it would be sent.

    Where the channel cannot be opened, that is the end of all.
    """
    try:
        return partial(_refused, _first_steps(settings))
    except ChannelError as error:
        end = Dead(reason="misconfigured", error=f"{error.setting}: {error}", error_class=type(error).__name__)
        return lambda _message: end


def _first_steps(settings: ChannelSettings) -> Callable[[Message], object]:
    match settings:
        case EmailSettings():
            return Letters(settings).recipient
        case AppriseSettings():
            return partial(addressed, url_of(settings))
        case HttpSettings() | FileSettings():
            return posted
        case _:
            return lambda _message: None


def _refused(first_steps: Callable[[Message], object], message: Message) -> Dead | None:
    try:
        made = first_steps(message)
    except Exception as error:  # noqa: BLE001 - notify tries again what fails so, until its attempts are used up
        return Dead(reason="exhausted", error=str(error) or type(error).__name__, error_class=type(error).__name__)
    return made if isinstance(made, Dead) else None
