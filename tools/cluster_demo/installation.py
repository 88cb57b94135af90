"""`hookline up` on a cluster, and the commands that are run beside it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from redis.crc import key_slot

from broker.merged.sums import sum_totals
from broker.monitoring.stats import Totals, read_totals
from broker.redis.connection import Settings
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions, connect_all
from tests.cluster import Cluster, Node
from tests.launcher.running import Running, environment, is_alive
from tests.ports import free_port
from tests.until import until

T = TypeVar("T")

PARTITIONS = 16

_RUN_WITHIN_S = 120.0
_REST_WITHIN_S = 300.0

# With short leases, the jobs that a failure interrupted are taken over while the demo watches.
_CONFIG = """
[redis]
url = "{redis}"
partitions = {partitions}
[receiver]
port = {port}
durability = "replicated"
[worker]
processes = 2
lease_s = 5
takeover_s = 5
[sources.voucherify]
[channels.sink]
kind = "http"
url = "{sink}"
allow_private = true
[[rules]]
name = "every-event"
events = ["*"]
channel = "sink"
[log]
level = "warning"
"""


class DemoError(Exception):
    """Something that Hookline promises did not hold. The text says what, in one line."""


class Sent(Struct, frozen=True):
    """The summary of `hookline send --json`."""

    sent: int
    accepted_events: int
    """Events that got at least one 202."""

    unexpected: int
    """Webhooks whose last response was not 202."""

    answers: dict[str, int]
    retried: int
    rate_per_s: float
    longest_without_202_s: float


class Sending:
    """A running `hookline send`."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def is_running(self) -> bool:
        """Return False once it has ended."""
        return is_alive(self._running.pid)

    async def result(self, *, seconds: float) -> Sent:
        """Wait for its end, and return its summary. Raises DemoError."""
        code = await within(
            self._running.ends(seconds=seconds), f"`hookline send` did not end within {seconds:g} s"
        )
        try:
            sent = msgspec.json.decode(self._running.output.strip().rpartition("\n")[2], type=Sent)
        except msgspec.DecodeError:
            raise DemoError(f"`hookline send` ended with {code}: {self._running.output.strip()}") from None
        if sent.unexpected:
            raise DemoError(f"{sent.unexpected} webhooks got no 202, the answers were {sent.answers}")
        return sent


class Installation:
    """A running `hookline up` on a cluster. Close it at the end."""

    def __init__(self, directory: Path, cluster: Cluster, sink_url: str) -> None:
        config = _CONFIG.format(redis=cluster.url, partitions=PARTITIONS, port=free_port(), sink=sink_url)
        (directory / "hookline.toml").write_text(config)
        self._directory = directory
        self._cluster = cluster
        self._partitions: Partitions = connect_all(Settings(url=cluster.url, partitions=PARTITIONS))
        self._commands: list[Running] = []
        self._up = self._command("up")

    @property
    def slots(self) -> list[int]:
        """The hash slot of each partition, in the order of their numbers."""
        return [key_slot(redis.names.prefix.encode()) for redis in self._partitions]

    def last_lines(self) -> list[str]:
        """Return the last lines that `hookline up` printed."""
        return self._up.output.splitlines()[-12:]

    async def start(self) -> None:
        """Wait until it accepts webhooks. Raises DemoError."""
        await within(self._up.says("Hookline is up"), "`hookline up` did not start")

    def send(self, *options: str) -> Sending:
        """Start `hookline send` with these options."""
        return Sending(self._command("send", "--json", *options))

    async def status(self) -> list[str]:
        """Return the lines of `hookline status` with both sums."""
        status = self._command("status")
        await within(status.ends(seconds=_RUN_WITHIN_S), "`hookline status` did not end")
        return [line for line in status.output.splitlines() if line.startswith(("accepted ", "created "))]

    async def totals_at_rest(self) -> Totals:
        """Return the sums over all partitions, once nothing is queued and nothing waits. Raises DemoError."""

        async def at_rest() -> list[Totals]:
            try:
                totals = sum_totals([await read_totals(redis) for redis in self._partitions])
            except BrokerError:
                return []
            return [totals] if totals.queued == 0 == totals.waiting else []

        failure = f"not everything was notified within {_REST_WITHIN_S:g} s"
        totals: list[Totals] = await within(until(at_rest, seconds=_REST_WITHIN_S), failure)
        return totals[0]

    async def processed_by_primary(self) -> dict[Node, list[int]]:
        """Return how many events were processed in each partition that a primary has, by the primary."""
        processed: dict[Node, list[int]] = {node: [] for node in self._cluster.current_primaries()}
        for redis, slot in zip(self._partitions, self.slots, strict=True):
            processed[self._cluster.primary_of(slot)].append((await read_totals(redis)).processed)
        return processed

    async def stop(self) -> None:
        """Stop it as Ctrl-C does. Raises DemoError if it does not end with 0."""
        self._up.signal(signal.SIGINT)
        code = await within(self._up.ends(seconds=_RUN_WITHIN_S), "`hookline up` did not stop")
        if code:
            raise DemoError(f"`hookline up` ended with {code} on Ctrl-C")

    async def close(self) -> None:
        """Kill what still runs."""
        for command in self._commands:
            command.kill()
        await self._partitions.aclose()

    def _command(self, *arguments: str) -> Running:
        command = Running("-m", "launcher", *arguments, cwd=self._directory, env=environment())
        self._commands.append(command)
        return command


@asynccontextmanager
async def installed(directory: Path, cluster: Cluster, sink_url: str) -> AsyncIterator[Installation]:
    """Run `hookline up` until the context ends."""
    installation = Installation(directory, cluster, sink_url)
    try:
        yield installation
    finally:
        await installation.close()


async def within(waiting: Awaitable[T], failure: str) -> T:
    """Wait for a fact that has a deadline. Raises DemoError with this text after it."""
    try:
        return await waiting
    except AssertionError:
        raise DemoError(failure) from None
