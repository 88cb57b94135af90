"""SIGHUP: read the config again, unless it came because the terminal closed, which ends a process as ever."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable


def on_hangup(then: Callable[[], None]) -> None:
    """Call `then` in the running event loop at each SIGHUP from now on, also at one that came to a child before.

    Where nohup has it ignored it stays so.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return
    had_terminal = has_terminal()

    def hung_up() -> None:
        if had_terminal and not has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            then()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def has_terminal() -> bool:
    """Whether this process has a terminal that can close. It has none any more when it is told of the closing."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
