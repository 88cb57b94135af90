"""Run a program that ends when the process that started it ends, for whatever reason.

`python -P tests/leash.py PARENT PROGRAM ARGUMENTS...` becomes PROGRAM, with the same process id. The kernel kills
it when the process with the id PARENT, which started it, ends (Linux).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher.supervisor.parent_death import die_with_parent


def leashed(command: Sequence[str | Path]) -> list[str]:
    """The command that runs `command` and does not outlive this process."""
    # A path and not `-m`, so that it works in any directory; -P, because this folder also has a `launcher`.
    return [sys.executable, "-P", __file__, str(os.getpid()), *map(str, command)]


def main(parent: str, *command: str) -> None:
    # SIGKILL, since a frozen process handles no other signal.
    die_with_parent(int(parent), signal.SIGKILL)
    # Python ignores these two signals at its start, and a program that it becomes would ignore them too.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
