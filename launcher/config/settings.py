"""The sections of the config that belong to no part: `[up]` and `[log]`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class UpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[up]` section."""

    data_dir: str = ".hookline"
    """Directory of the embedded Redis and of the secrets that `up` makes up; relative to where it runs. It is made
    for this user alone; one that exists and that other users may enter is refused."""


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[log]` section."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Events below this level are left out."""

    format: Literal["auto", "json", "text"] = "auto"
    """One JSON line an event, or text to read; auto writes text to a terminal and JSON to anything else."""
