"""Why something cannot be spilled."""

from __future__ import annotations

from receiver.errors import ReceiverError, StartError


class SpillError(ReceiverError):
    """The disk did not take a batch. What was written of it may be there."""


class SpillDirError(StartError):
    """The directory for spilled webhooks cannot be used."""
