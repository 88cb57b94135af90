"""`python -m benchmarks [name ...]`: run benchmarks one after another, then one table of all figures.

The exit code is 1 only when a benchmark could not run: a missed goal is shown, and is for people to judge.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import platform
import sys
import time
import traceback

from benchmarks.figures import Figure, print_table

_NAMES = ("receiver", "decode", "intake", "notify", "fleet", "latency", "memory", "dead")


def main() -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Hookline costs.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(_NAMES)}")
    names = parser.parse_args().names or _NAMES
    unknown = sorted(set(names) - set(_NAMES))
    if unknown:
        parser.error(f"no benchmark named {unknown[0]!r}: there are {', '.join(_NAMES)}")
    logging.disable(logging.INFO)
    found: list[Figure] = []
    failed = [name for name in names if not _run(name, found)]
    print(f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}\n")
    print_table(found)
    if failed:
        print(f"could not run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, found: list[Figure]) -> bool:
    started_s = time.monotonic()
    print(f"{name} ...", end=" ", flush=True)
    try:
        found += importlib.import_module(f"benchmarks.{name}").figures()
    except Exception:  # noqa: BLE001 - the others are still worth running
        print("failed")
        traceback.print_exc()
        return False
    print(f"{time.monotonic() - started_s:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(main())
