"""The webhooks that receivers of this machine keep on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from broker.monitoring.spilled import Spilled
from receiver.settings import Settings
from receiver.storage.spill.errors import SpillError
from receiver.storage.spill.files import location, survey


def spilled_here(receiver: Settings) -> Mapping[str, Spilled]:
    """Webhooks in receiver.spill_dir, by location; empty without such a directory on this machine."""
    directory = Path(receiver.spill_dir).absolute()
    if not receiver.spill_dir:
        return {}
    try:
        return {location(directory): survey(directory)}
    except SpillError:
        return {}
