"""An installation of Hookline, with its own namespace, source and sink."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from sources.secret import Secret
from tests.chaos.commands import Command, SinkProcess
from tests.chaos.events import BALANCE, EVERY_EVENT, GIFTED, REWARDED, REWARDS, SECRET, SUMMARY, UPDATED
from tests.chaos.record import Record
from tests.launcher.running import environment
from tests.until import until

LEASE_S = 3.0

# Leases, retries and breakers are short, so that a run has time for many disruptions. No body kills a worker here,
# but workers are killed all the time: none of their bodies may become a dead letter as poison.
_CONFIG = """
[redis]
url = "{redis}"
namespace = "{namespace}"
partitions = {partitions}
[receiver]
port = {receiver}
processes = {receivers}
durability = "{durability}"
{spill}
[worker]
lease_s = {lease_s}
takeover_s = {lease_s}
max_deliveries = 1000
[sources.voucherify]
{channels}
[[rules]]
name = "{every_event}"
events = ["*"]
channel = "crm"
[[rules]]
name = "{rewards}"
events = ["{rewarded}"]
channel = "shop"
[[rules]]
name = "{balance}"
events = ["{updated}"]
channel = "balances"
latest_only = "data.voucher.id"
[[rules]]
name = "{summary}"
events = ["{gifted}"]
channel = "summaries"
digest = {{ key = "data.customer.id", window = "2s" }}
[log]
format = "json"
"""

# The sink shares the processors with all other processes: if it is slow, notifications are rightly sent again.
_CHANNEL = """[channels.{name}]
kind = "http"
url = "http://127.0.0.1:{sink}/"
allow_private = true
timeout_s = 5
retry = {{ attempts = 1000, base_s = 0.5, cap_s = 2 }}
breaker = {{ wait_s = 0.5, max_wait_s = 2 }}"""
_CHANNELS = ("crm", "shop", "balances", "summaries")


class WorkerPlan(Struct, frozen=True):
    """Settings of one `hookline worker`."""

    processes: int
    clock_s: float = 0.0
    """By how much its clock is wrong."""


class Plan(Struct, frozen=True):
    """Settings of an installation."""

    namespace: str = "hookline"
    secret: Secret = SECRET
    receivers: int = 2
    workers: Sequence[WorkerPlan] = (WorkerPlan(2), WorkerPlan(2))
    spill_dir: str = ""
    partitions: int = 1
    durability: str = "fsync"


class Installation(Struct, frozen=True):
    """The running parts of an installation."""

    receiver: Command
    workers: list[Command]
    sink: SinkProcess
    record: Record
    partitions: Partitions
    """Clients in its namespace that do not use the proxy."""
    port: int
    """The port of the receiver."""

    @property
    def redis(self) -> Client:
        """The client for the server itself, if all partitions are on one."""
        return self.partitions.control

    @property
    def commands(self) -> list[Command]:
        return [self.receiver, *self.workers]

    async def stop(self) -> list[int]:
        """Stop as a deploy does: what can still be sent is sent now. Return the exit codes."""
        return list(await asyncio.gather(*(command.stop() for command in self.commands)))


@asynccontextmanager
async def running_installation(
    directory: Path, plan: Plan, *, proxy_url: str, redis_url: str
) -> AsyncIterator[Installation]:
    """Start an installation and wait until it answers; at the end, kill what is left of it.

    directory: must exist. redis_url: without the proxy.
    """
    receiver_port, sink_port = free_ports(2)
    record = Record(directory / "record")
    sink = SinkProcess(sink_port, directory / "record")
    sink.start()
    (directory / "hookline.toml").write_text(_config(plan, proxy_url, receiver_port, sink_port))
    env = environment(HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=plan.secret.reveal().decode())
    receiver = Command("receiver", directory, env | {"HOOKLINE_LOG_LEVEL": "warning"})
    workers = [
        # Single notifications are logged at debug only.
        Command(
            "worker",
            directory,
            env | {"HOOKLINE_LOG_LEVEL": "debug"},
            "--processes",
            str(worker.processes),
            clock_s=worker.clock_s,
        )
        for worker in plan.workers
    ]
    partitions = connect_all(Settings(url=redis_url, namespace=plan.namespace, partitions=plan.partitions))
    try:
        await until(lambda: listens(receiver_port), seconds=60)
        yield Installation(receiver, workers, sink, record, partitions, receiver_port)
    finally:
        for command in (receiver, *workers):
            command.end()
        await partitions.aclose()
        sink.kill()
        record.close()


def _config(plan: Plan, redis_url: str, receiver_port: int, sink_port: int) -> str:
    return _CONFIG.format(
        redis=redis_url,
        namespace=plan.namespace,
        partitions=plan.partitions,
        durability=plan.durability,
        receiver=receiver_port,
        receivers=plan.receivers,
        lease_s=LEASE_S,
        channels="\n".join(_CHANNEL.format(name=name, sink=sink_port) for name in _CHANNELS),
        every_event=EVERY_EVENT,
        rewards=REWARDS,
        rewarded=REWARDED,
        balance=BALANCE,
        updated=UPDATED,
        summary=SUMMARY,
        gifted=GIFTED,
        spill=f'spill_dir = "{plan.spill_dir}"' if plan.spill_dir else "",
    )


async def listens(port: int) -> bool:
    """Return True if a process listens on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


def free_ports(count: int) -> list[int]:
    """Return several ports that are free now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
