"""A supervisor in a process of its own for the tests: `python -m tests.launcher.supervised FILE SCENARIO`.

Children write what happens to them to FILE, one line each: group, number, process id, event.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from launcher.composition.logs import set_up_logs
from launcher.config.settings import LogSettings
from launcher.supervisor.processes import CONFIG_FAULT, Group, supervise


def main(file: Path, scenario: str) -> int:
    def note(group: str, number: int, what: str) -> None:
        with file.open("a") as lines:
            lines.write(f"{group} {number} {os.getpid()} {what}\n")

    def obedient(group: str) -> Callable[[int], int]:
        def run(number: int) -> int:
            sigterms: list[int] = []
            signal.signal(signal.SIGTERM, lambda *_: sigterms.append(1))
            signal.signal(signal.SIGHUP, lambda *_: note(group, number, "sighup"))
            note(group, number, "started")
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
            while not sigterms:
                time.sleep(0.01)
            note(group, number, "stopped")
            return 0

        return run

    def stubborn(number: int) -> int:
        signal.signal(signal.SIGTERM, lambda *_: note("stubborn", number, "ignored"))
        note("stubborn", number, "started")
        while True:
            time.sleep(0.01)

    def faulty(number: int) -> int:
        note("faulty", number, "started")
        return CONFIG_FAULT

    def raising(number: int) -> int:
        note("raising", number, "started")
        raise ValueError("on purpose")

    scenarios = {
        "ordered": [
            Group(
                name="receiver",
                run=obedient("receiver"),
                count=2,
                stop_s=10,
                reload=lambda: note("receiver", -1, "reloaded"),
            ),
            Group(name="worker", run=obedient("worker"), count=2, stop_s=10),
        ],
        "stubborn": [Group(name="stubborn", run=stubborn, stop_s=60)],
        "bounded": [
            Group(name="stubborn", run=stubborn, stop_s=0.3, reload=lambda: note("stubborn", -1, "reloaded"))
        ],
        "faulty": [
            Group(name="worker", run=obedient("worker"), stop_s=10),
            Group(name="faulty", run=faulty, stop_s=10),
        ],
        "raising": [Group(name="raising", run=raising, stop_s=10)],
    }
    return supervise(scenarios[scenario])


if __name__ == "__main__":
    set_up_logs(LogSettings(format="json"))
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
