"""Checks that need the machine of a worker: the functions, libraries and files that the channels use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from launcher.config.struct_reader import joined
from launcher.errors import Fault
from worker.channels.channel import open_channel
from worker.channels.errors import ChannelError
from worker.channels.settings import ChannelSettings


def channel_faults(channels: Mapping[str, ChannelSettings]) -> tuple[Fault, ...]:
    """Faults of channels that cannot be opened here. Opens and closes each, which imports the user's functions."""
    return asyncio.run(_faults(channels))


async def _faults(channels: Mapping[str, ChannelSettings]) -> tuple[Fault, ...]:
    faults = []
    for name, settings in channels.items():
        try:
            await open_channel(settings).close()
        except ChannelError as error:
            faults.append(Fault(joined(joined("channels", name), error.setting), str(error)))
    return tuple(faults)
