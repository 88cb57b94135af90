"""The interface of a channel, and how the channels of a config are opened.

This imports the libraries of all channels, which takes long. Who needs only the settings imports `settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from worker.channels.apprise import AppriseChannel
from worker.channels.console import ConsoleChannel
from worker.channels.email.channel import EmailChannel
from worker.channels.file import FileChannel
from worker.channels.http import HttpChannel
from worker.channels.python import Model, PythonChannel
from worker.channels.settings import (
    AppriseSettings,
    ChannelSettings,
    ConsoleSettings,
    EmailSettings,
    FileSettings,
    HttpSettings,
    PythonSettings,
)
from worker.outcome import Outcome, Retry
from worker.rules.render import Message
from worker.rules.retry import RetrySettings


class Channel(Protocol):
    """Sends messages in one way."""

    retry: RetrySettings

    async def send(self, message: Message) -> Outcome:
        """Send once, within the channel's time-out. Never raises for what the receiver does."""
        ...

    async def close(self) -> None:
        """Close all connections of the channel."""
        ...


def open_channels(
    settings: Mapping[str, ChannelSettings], models: Mapping[str, Model] = MappingProxyType({})
) -> dict[str, Channel]:
    """Open channels, by name; models: for the python channel, by name of the source.

    Must be called in the running event loop that will use them. Raises ChannelError.
    """
    return {name: open_channel(channel, models) for name, channel in settings.items()}


def open_channel(settings: ChannelSettings, models: Mapping[str, Model] = MappingProxyType({})) -> Channel:
    """Open one channel. See `open_channels`."""
    match settings:
        case ConsoleSettings():
            return ConsoleChannel(settings)
        case FileSettings():
            return FileChannel(settings)
        case HttpSettings():
            return HttpChannel(settings)
        case EmailSettings():
            return EmailChannel(settings)
        case AppriseSettings():
            return AppriseChannel(settings)
        case PythonSettings():
            return PythonChannel(settings, models)


async def send_once(channel: Channel, message: Message) -> Outcome:
    """Send a message; an exception of the channel's code is an outcome too."""
    try:
        return await channel.send(message)
    except Exception as error:  # noqa: BLE001 - a defect of a channel is retried like other failures
        return Retry(error=str(error) or type(error).__name__, error_class=type(error).__name__)
