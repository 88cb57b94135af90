"""Runs benchmarks one after another, and prints a table of all figures: `python -m benchmarks [name ...]`.

The exit code is 1 only if a benchmark could not run. A missed goal is shown in the table and does not change it.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import time
import traceback
from pathlib import Path

import msgspec

from benchmarks.harness.figures import Figure, print_table
from benchmarks.harness.machine import machine_of_this_run

_NAMES = (
    "receiver",
    "loads",
    "decode",
    "intake",
    "notify",
    "channels",
    "fleet",
    "partitions",
    "rules",
    "latency",
    "memory",
    "soak",
    "dead",
    "history",
    "rushes",
)


def main() -> int:
    """Run the benchmarks and print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks of Hookline.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"the benchmarks to run: {', '.join(_NAMES)}")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures and the versions to this file"
    )
    arguments = parser.parse_args()
    names = arguments.names or _NAMES
    unknown = sorted(set(names) - set(_NAMES))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known benchmarks: {', '.join(_NAMES)}")
    logging.disable(logging.INFO)
    figures: list[Figure] = []
    failed = [name for name in names if not _run(name, figures)]
    machine = machine_of_this_run()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    print_table(figures)
    if arguments.json:
        report = {"machine": machine, "figures": figures}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if failed:
        print(f"could not run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, figures: list[Figure]) -> bool:
    started_s = time.monotonic()
    print(f"{name} ...", end=" ", flush=True)
    try:
        figures += importlib.import_module(f"benchmarks.{name}").figures()
    except Exception:  # noqa: BLE001 - the other benchmarks can still run
        print("failed")
        traceback.print_exc()
        return False
    print(f"{time.monotonic() - started_s:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(main())
