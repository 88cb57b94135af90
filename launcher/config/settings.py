"""The sections of the config that belong to no other package: `[up]` and `[log]`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class UpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of `hookline up`, the `[up]` section."""

    data_dir: str = ".hookline"
    """Directory of the embedded Redis and of the secrets that `up` generates, relative to the working directory.
    It is created for this user alone; an existing directory that other users may enter is rejected."""


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the log lines on stderr, the `[log]` section."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged. Events below it are left out."""

    format: Literal["auto", "json", "text"] = "auto"
    """json writes one JSON line for each event, text writes lines for people; auto writes text to a terminal and
    JSON to anything else."""
