"""SIGHUP: reload the config, unless the signal came because the terminal closed, which ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable


def on_reload_signal(reload: Callable[[], None]) -> None:
    """Call `reload` in the running event loop at each SIGHUP, also at one that this process got while it started.

    Does nothing where nohup ignores SIGHUP.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return
    had_terminal = has_terminal()

    def handle_signal() -> None:
        if had_terminal and not has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, handle_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def has_terminal() -> bool:
    """True if this process has a terminal, which may close. False after it has closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
