"""Errors that people can mend, as one clear line and an exit code."""

from __future__ import annotations

import sys

from broker.redis.errors import BrokerError
from launcher.errors import LauncherError
from receiver.errors import StartError
from runtime.terminal_text import printable


def complaint(error: BaseException) -> tuple[str, int] | None:
    """(what to tell, exit code): 2 for usage and config, 1 for others. None for an error nobody foresaw."""
    if isinstance(error, BaseExceptionGroup):
        told = [complaint(inner) for inner in error.exceptions]
        return told[0] if all(told) else None
    if isinstance(error, LauncherError):
        return str(error), error.exit_code
    if isinstance(error, StartError):
        return str(error), 2
    if isinstance(error, BrokerError):
        return str(error), 1
    return None


def tell(error: BaseException) -> int | None:
    """Tell a foreseen error on stderr and return its exit code; None, and nothing told, for any other."""
    told = complaint(error)
    if told is None:
        return None
    text, code = told
    for line in text.split("\n"):
        sys.stderr.write(f"hookline: {printable(line)}\n")
    return code
