"""Errors that an operator can fix, as one clear line and an exit code."""

from __future__ import annotations

import sys

from broker.redis.errors import BrokerError
from launcher.errors import LauncherError
from receiver.errors import StartError
from runtime.terminal_text import printable
from sources.kinds import PluginError


def error_message(error: BaseException) -> tuple[str, int] | None:
    """(text, exit code): 2 for usage and config, 1 for other errors. None for an error that is a defect."""
    if isinstance(error, BaseExceptionGroup):
        messages = [error_message(inner) for inner in error.exceptions]
        return messages[0] if all(messages) else None
    if isinstance(error, LauncherError):
        return str(error), error.exit_code
    if isinstance(error, StartError | PluginError):
        return str(error), 2
    if isinstance(error, BrokerError):
        return str(error), 1
    return None


def report_error(error: BaseException) -> int | None:
    """Print an expected error on stderr and return its exit code. Prints nothing and returns None for a defect."""
    message = error_message(error)
    if message is None:
        return None
    text, code = message
    for line in text.split("\n"):
        sys.stderr.write(f"hookline: {printable(line)}\n")
    return code
