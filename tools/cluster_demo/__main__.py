"""Shows that Hookline on a Redis Cluster loses nothing, also while the cluster fails: `make cluster-demo`.

Starts six nodes on this machine, three primaries and their replicas, and `hookline up` on them. First it sends
webhooks as fast as they are taken. Then it sends at a steady rate, kills a primary, and moves slots between nodes.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from broker.monitoring.stats import Totals
from launcher.errors import LauncherError
from tests.cluster import Cluster, clustered
from tests.until import until
from tools.cluster_demo.failures import kill_primary, move_slots, start_again
from tools.cluster_demo.installation import PARTITIONS, DemoError, Installation, Sent, installed, within
from tools.cluster_demo.sink import Sink, running_sink

_SECONDS_A_WEBHOOK = 0.05
"""The time that a slow machine may need for each webhook, in addition to a minute."""


class Demo:
    """The two parts of the demo, in this order."""

    def __init__(self, cluster: Cluster, installation: Installation, sink: Sink) -> None:
        self._cluster = cluster
        self._installation = installation
        self._sink = sink
        self._accepted_events = 0

    async def send_many(self, count: int) -> None:
        """Send webhooks, a tenth of them twice, and check that each event is notified once. Raises DemoError."""
        options = ("--count", str(count), "--duplicates", "0.1", "--concurrency", "64")
        _say(f"\n1. hookline send {' '.join(options)}")
        sent = await self._installation.send(*options).result(seconds=60 + count * _SECONDS_A_WEBHOOK)
        _say(f"   {sent.sent:,} acknowledged, {sent.rate_per_s:,.0f} a second")
        await self._check(sent)
        if self._sink.sent_again:
            raise DemoError(f"{self._sink.sent_again} notifications were sent more than once")
        _say(f"   {len(self._sink.keys):,} events, each notified exactly once")
        for node, events in (await self._installation.processed_by_primary()).items():
            _say(f"   the primary on port {node.port} processed {sum(events):,} in {len(events)} partitions")

    async def send_while_it_fails(self, *, rate: float, seconds: float, longest_gap_s: float) -> None:
        """Send at a rate, kill a primary, and move slots until the webhooks are sent. Raises DemoError.

        longest_gap_s: the longest time without a 202 that is no failure.
        """
        options = ("--count", str(round(rate * seconds)), "--rate", f"{rate:g}", "--concurrency", "512")
        _say(f"\n2. hookline send {' '.join(options)} --retries 20, while the cluster fails")
        notified = len(self._sink.keys)
        sending = self._installation.send(*options, "--retries", "20")
        await within(until(lambda: len(self._sink.keys) > notified), "nothing was notified")
        await self._fail(sending.is_running)
        sent = await sending.result(seconds=60 + seconds)
        _say(f"   {sent.sent:,} acknowledged, {sent.retried:,} of them after a 503 or no answer")
        await self._check(sent)
        _say(f"   lost 0, sent under two keys 0, sent again with its key {self._sink.sent_again}")
        _say(f"   longest time without a 202: {sent.longest_without_202_s:.1f} s")
        if sent.longest_without_202_s > longest_gap_s:
            raise DemoError(f"no 202 for {sent.longest_without_202_s:.1f} s, though other primaries were well")

    async def _fail(self, goes_on: Callable[[], bool]) -> None:
        slots = self._installation.slots
        takeover = await kill_primary(self._cluster, slots[0])
        _say(
            f"   killed the primary on port {takeover.killed.port}; its replica on port {takeover.replica.port} "
            f"took over after {takeover.seconds:.1f} s"
        )
        await start_again(self._cluster, takeover.killed)
        _say("   started it again, as a replica")
        moves = await move_slots(self._cluster, slots, goes_on)
        _say(
            f"   moved slots to another node and back: {moves.at_once} at once (CLUSTER MIGRATESLOTS), "
            f"{moves.key_by_key} key by key"
        )

    async def _check(self, sent: Sent) -> None:
        """Wait until all is notified, and check sums and events. Raises DemoError."""
        self._accepted_events += sent.accepted_events
        totals = await self._installation.totals_at_rest()
        for line in await self._installation.status():
            _say(f"   {line}")
        self._check_sums(totals)
        lost = self._accepted_events - len(self._sink.keys)
        if lost:
            raise DemoError(f"{lost} of {self._accepted_events} events were not notified")
        if self._sink.with_two_keys:
            raise DemoError(f"{self._sink.with_two_keys} events were notified under two keys")

    def _check_sums(self, totals: Totals) -> None:
        if not totals.bodies_add_up() or not totals.notifications_add_up():
            raise DemoError(f"the counters of all partitions do not add up: {totals}")
        if not totals.processed == totals.sent == self._accepted_events:
            raise DemoError(
                f"of {self._accepted_events} events, {totals.processed} were processed, {totals.sent} notified"
            )


def main() -> int:
    """Run the demo, and return the exit code: 1 if something did not hold, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make cluster-demo ARGS=...", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="webhooks of the first part (default 50000)")
    parser.add_argument(
        "--rate", type=float, default=200, help="webhooks a second of the second part (default 200)"
    )
    parser.add_argument("--seconds", type=float, default=40, help="how long the second part sends (default 40)")
    parser.add_argument(
        "--longest-gap", type=float, default=1, help="seconds without a 202 that are no failure (default 1)"
    )
    options = parser.parse_args()
    # A shell starts programs in the background with SIGINT ignored.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.default_int_handler)
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        _say("\nStopped. Everything that the demo started has ended.")
        return 130
    except LauncherError as error:
        _say(f"not ok: {error}")
        return 1


async def _run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory, clustered(appendfsync="always") as cluster:
        async with running_sink() as sink:
            _say(f"Starting three primaries, their replicas, and `hookline up` with {PARTITIONS} partitions.")
            await cluster.start()
            async with installed(Path(directory), cluster, sink.url) as installation:
                try:
                    await installation.start()
                    demo = Demo(cluster, installation, sink)
                    await demo.send_many(options.count)
                    await demo.send_while_it_fails(
                        rate=options.rate, seconds=options.seconds, longest_gap_s=options.longest_gap
                    )
                    await installation.stop()
                except DemoError as reason:
                    _say(f"\nnot ok: {reason}", *(f"  | {line}" for line in installation.last_lines()))
                    return 1
    _say("\nEverything held. All nodes and processes are stopped.")
    return 0


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
