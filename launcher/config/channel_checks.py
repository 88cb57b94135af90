"""What only shows where workers run: the functions, libraries and files that the channels need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from launcher.config.struct_reader import joined
from launcher.errors import Fault
from worker.channels import open_channel
from worker.channels.errors import ChannelError
from worker.channels.settings import ChannelSettings


def channel_faults(channels: Mapping[str, ChannelSettings]) -> tuple[Fault, ...]:
    """Why channels could not be opened here. It opens each, which imports the user's functions, and closes it."""
    return asyncio.run(_faults(channels))


async def _faults(channels: Mapping[str, ChannelSettings]) -> tuple[Fault, ...]:
    faults = []
    for name, settings in channels.items():
        try:
            await open_channel(settings).close()
        except ChannelError as error:
            faults.append(Fault(joined(joined("channels", name), error.setting), str(error)))
    return tuple(faults)
