"""Counts the instructions of the hot paths: `python -m benchmarks.instructions [--record] [path ...]`.

The exit code is 1 if a path needs more instructions for an event than recorded, by more than 3 %, and 2 if nothing
can be counted here. Where Python or a library is not the recorded one, nothing is compared.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.instructions import callgrind, recorded
from benchmarks.instructions.measuring import instructions
from benchmarks.instructions.paths import PATHS
from benchmarks.instructions.recorded import Recorded


def main() -> int:
    """Count, and compare or record. Returns the exit code."""
    arguments = _arguments()
    if missing := callgrind.missing():
        print(f"nothing can be counted: {missing}", file=sys.stderr)
        return 2
    counts = _counts(arguments.paths or list(PATHS))
    before = recorded.read().get(recorded.python())
    _print_table(counts, before)
    if arguments.record:
        recorded.write(counts, recorded.versions())
        return 0
    return _compare(counts, before)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions", description="Count the instructions of the hot paths."
    )
    parser.add_argument("paths", nargs="*", metavar="path", help=f"what to count: {', '.join(PATHS)}")
    parser.add_argument("--record", action="store_true", help="record the counts instead of comparing them")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.paths) - set(PATHS)):
        parser.error(f"unknown path {unknown[0]!r}; known paths: {', '.join(PATHS)}")
    return arguments


def _counts(names: Sequence[str]) -> dict[str, float]:
    # Each path has its own processes, and other work on the machine changes no count.
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        return dict(zip(names, pool.map(instructions, names), strict=True))


def _print_table(counts: Mapping[str, float], before: Recorded | None) -> None:
    print(f"{'instructions for an event':28}{'now':>10}{'recorded':>10}")
    for name, count in counts.items():
        then = before.counts.get(name) if before else None
        change = f"{then:>10,}{count / then - 1:>+8.1%}" if then else ""
        print(f"{name:28}{count:>10,.0f}{change}")


def _compare(counts: Mapping[str, float], before: Recorded | None) -> int:
    if before is None:
        print(f"not compared: nothing is recorded for Python {recorded.python()}")
        return 0
    if others := list(recorded.differences(before, recorded.versions())):
        print("not compared: " + "; ".join(others))
        return 0
    if faults := list(recorded.too_many(before, counts)):
        print("\n".join(faults), file=sys.stderr)
        print("make it cheaper, or record it with: make bench-check ARGS=--record", file=sys.stderr)
        return 1
    print(f"no path is more than {recorded.LIMIT:.0%} above its recorded count")
    return 0


if __name__ == "__main__":
    sys.exit(main())
