"""Compares Hookline with what a user would build or pick, the whole way.

`python -m benchmarks.peers [name ...]` sends each contender the same signed webhooks of 2.6 KB, one of 20 of them
a repeat. Each has an empty Redis of its own with an append-only file (everysec), and notifies the same HTTP
server. The contenders take turns in rounds, and the median of each figure counts. The CPU time is that of all
processes of the contender and of Redis; the process that sends and receives is left out.

Peers are installed from the package index into .bench-peers/, with the newest versions. The exit code is 1 only if
a contender could not run. A missed goal does not change it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path

import msgspec
import redis
import uvloop

from benchmarks.harness.figures import print_table
from benchmarks.harness.machine import machine_of_this_run
from benchmarks.harness.redis_server import running_redis
from benchmarks.peers.check import check
from benchmarks.peers.contenders import CONTENDERS, Contender
from benchmarks.peers.crash import crash
from benchmarks.peers.environments import bin_of, versions_of
from benchmarks.peers.measure import Round, limit_of, measure
from benchmarks.peers.results import Report, Result, figures, show, show_crashes
from benchmarks.peers.traffic import Webhook, webhooks

_EVENTS = 45_000
"""More than one round needs on a machine of today. A phase without further events ends early."""


_ROUNDS = 3


def main() -> int:
    """Measure the contenders, and print the tables. Returns the exit code."""
    arguments = _arguments()
    logging.disable(logging.INFO)
    contenders = [each for each in CONTENDERS if not arguments.names or each.name in arguments.names]
    installed = [each for each in contenders if _is_installed(each)]
    events = webhooks(_EVENTS)
    gc.freeze()  # these objects stay, and looking through them would delay notifications
    if arguments.tune:
        return _tune(installed, events)
    if arguments.crash:
        return _crash(installed, events)
    results = _measured(installed, events, arguments.rounds)
    report = _report(results)
    show(report)
    print_table(figures(results))
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    missing = {each.name for each in contenders} - {each.name for each in results}
    if missing:
        print(f"could not run: {', '.join(sorted(missing))}", file=sys.stderr)
    return 1 if missing else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="Compare Hookline with other ways to take webhooks in."
    )
    known = [each.name for each in CONTENDERS]
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"the contenders to run, by default all: {', '.join(known)}"
    )
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help=f"rounds to measure; {_ROUNDS} by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures of all rounds to a file")
    parser.add_argument("--tune", action="store_true", help="measure the limit of each peer with other settings")
    parser.add_argument(
        "--crash", action="store_true", help="kill receivers and workers instead, and count losses"
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(known))
    if unknown:
        parser.error(f"unknown contender {unknown[0]!r}; known contenders: {', '.join(known)}")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def _is_installed(contender: Contender) -> bool:
    try:
        bin_of(contender)
    except subprocess.CalledProcessError:
        return False
    return True


def _measured(contenders: list[Contender], events: list[Webhook], count: int) -> list[Result]:
    """Run the rounds. A contender that fails once is left out."""
    running = list(contenders)
    faults: dict[str, list[str]] = {}
    rounds: dict[str, list[Round]] = {each.name: [] for each in contenders}
    for number in range(count):
        for contender in tuple(running):
            name = contender.name
            print(f"round {number + 1} of {count}: {contender.title}", flush=True)
            try:
                if not number:
                    faults[name] = uvloop.run(check(contender, events)).faults()
                rounds[name].append(uvloop.run(measure(contender, events, rounds[name])))
            except Exception:  # noqa: BLE001 - the others can still run
                traceback.print_exc()
                running.remove(contender)
    return [_result(each, faults[each.name], rounds[each.name]) for each in running]


def _result(contender: Contender, faults: list[str], rounds: list[Round]) -> Result:
    return Result(
        name=contender.name,
        title=contender.title,
        settings=contender.settings,
        versions=versions_of(contender),
        faults=faults,
        rounds=rounds,
    )


def _report(results: list[Result]) -> Report:
    with running_redis() as url, contextlib.closing(redis.Redis.from_url(url)) as server:
        version = str(server.info("server")["redis_version"])  # type: ignore[index]
    return Report(
        machine=machine_of_this_run(),
        redis=version,
        load_average=os.getloadavg(),
        results=results,
    )


def _tune(contenders: list[Contender], events: list[Webhook]) -> int:
    failed = False
    for contender in contenders:
        for tuning in contender.tunings:
            label = f"{contender.name}, {tuning.value or 'defaults'}, {tuning.workers} worker processes"
            try:
                limit = uvloop.run(limit_of(contender, events, tuning))
            except Exception:  # noqa: BLE001 - the others can still run
                traceback.print_exc()
                failed = True
                continue
            print(f"{label}: {limit.total_us:,.0f} us an event, {limit.arrived_per_s:,.0f} events/s", flush=True)
    return 1 if failed else 0


def _crash(contenders: list[Contender], events: list[Webhook]) -> int:
    survived = []
    for contender in contenders:
        print(f"kill -9: {contender.title}", flush=True)
        try:
            survived.append((contender.title, uvloop.run(crash(contender, events))))
        except Exception:  # noqa: BLE001 - the others can still run
            traceback.print_exc()
    show_crashes(survived)
    return 1 if len(survived) < len(contenders) else 0


if __name__ == "__main__":
    sys.exit(main())
