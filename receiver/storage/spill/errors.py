"""Errors of the spill directory."""

from __future__ import annotations

from receiver.errors import ReceiverError, StartError


class SpillError(ReceiverError):
    """The disk did not accept a batch. A part of it may have been written."""


class SpillDirError(StartError):
    """The directory for spilled webhooks cannot be used."""
