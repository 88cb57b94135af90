"""Receivers, workers, Redis behind a proxy and the sink: all of it real processes, to be harmed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from broker.client import Client
from broker.connection import Settings, connect
from tests.chaos.events import EVERY_EVENT, REWARDED, REWARDS, SECRET
from tests.chaos.proxy import TcpProxy
from tests.chaos.record import Record
from tests.launcher.running import ROOT, Running, environment, is_alive
from tests.leash import leashed
from tests.redis_server import RedisServer
from tests.until import until

LEASE_S = 3.0
KILLED = -signal.SIGKILL
_DEFECTS = ("process_failed", "webhook_failed", "batch_failed")
"""Actions in the log that tell of exceptions which nobody foresaw."""

_RECEIVERS, _WORKERS = 2, 2
_STOPS_WITHIN_S = 60.0
"""A worker's stop_grace_s twice, for intake and notify, and some."""

# Leases, retries and breakers are short, so that a run has time for many harms. No body kills a worker here, but
# workers die all the time: none of their bodies is to be taken for poison.
_CONFIG = """
[redis]
url = "redis://127.0.0.1:{redis}"
[receiver]
port = {receiver}
processes = {receivers}
durability = "fsync"
{spill}
[worker]
processes = {workers}
lease_s = {lease_s}
takeover_s = {lease_s}
max_deliveries = 1000
[sources.voucherify]
[channels.crm]
{channel}
[channels.shop]
{channel}
[[rules]]
name = "{every_event}"
events = ["*"]
channel = "crm"
[[rules]]
name = "{rewards}"
events = ["{rewarded}"]
channel = "shop"
[log]
level = "warning"
format = "json"
"""
_CHANNEL = """kind = "http"
url = "http://127.0.0.1:{sink}/"
allow_private = true
timeout_s = 2
retry = {{ attempts = 1000, base_s = 0.5, cap_s = 2 }}
breaker = {{ wait_s = 0.5, max_wait_s = 2 }}"""


class Command:
    """`hookline receiver` or `hookline worker`, started again when somebody ends it."""

    def __init__(self, name: str, directory: Path, env: dict[str, str]) -> None:
        self.name = name
        self._directory = directory
        self._env = env
        self._outputs: list[Running] = []
        self._running = self._start()

    def _start(self) -> Running:
        self._outputs.append(Running("-m", "launcher", self.name, cwd=self._directory, env=self._env))
        return self._outputs[-1]

    def children(self) -> list[int]:
        """The processes that do the work; the command itself only watches over them."""
        return self._running.children()

    async def kill(self) -> None:
        """SIGKILL the command alone, and start it again when its children, told by the kernel, have ended."""
        children = self.children()
        self._running.kill()
        await until(lambda: not any(is_alive(child) for child in children), seconds=30)
        self._running = self._start()

    async def stop(self) -> int:
        """As in a deploy; the exit code."""
        self._running.signal(signal.SIGTERM)
        try:
            return await self._running.ends(seconds=_STOPS_WITHIN_S)
        except AssertionError:
            raise AssertionError(f"hookline {self.name} did not stop: {self.output}") from None

    @property
    def output(self) -> str:
        """The last of what it said."""
        return self._running.output[-3000:]

    def failures(self) -> list[str]:
        """What its processes said of ends and faults that were no harm of ours."""
        lines = [line for running in self._outputs for line in running.output.splitlines()]
        return [line for line in lines if _is_failure(line)]

    def end(self) -> None:
        with suppress(OSError):
            for child in self.children():
                os.kill(child, signal.SIGKILL)
        self._running.kill()


def _is_failure(line: str) -> bool:
    if not line.startswith("{"):
        return True
    told = msgspec.json.decode(line)
    return told["action"] in _DEFECTS or told.get("exit_code", KILLED) != KILLED


class SinkProcess:
    """The sink, always on the same port and record."""

    def __init__(self, port: int, record: Path) -> None:
        self.port = port
        self._command = leashed([sys.executable, "-m", "tests.chaos.sink", str(port), str(record)])

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE)

    def answers(self, how: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{how}\n".encode())
        self._process.stdin.flush()

    def kill(self) -> None:
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()


class Stack(Struct, frozen=True):
    """Everything that runs."""

    receiver: Command
    workers: list[Command]
    server: RedisServer
    proxy: TcpProxy
    sink: SinkProcess
    record: Record
    redis: Client
    """Past the proxy."""
    port: int
    """Of the receiver."""

    @property
    def commands(self) -> list[Command]:
        return [self.receiver, *self.workers]


@asynccontextmanager
async def running_stack(directory: Path, *, spill_dir: str = "") -> AsyncIterator[Stack]:
    """Up and answering; killed at the end, whatever is left of it."""
    ports = _free_ports(4)
    # SIGKILL takes nothing from a Redis that syncs before it replies. With appendfsync everysec it may have
    # confirmed what it could not write yet while a sync was under way: up to two seconds of it would be lost.
    server = RedisServer(directory, port=str(ports[0]), appendfsync="always").start()
    proxy = TcpProxy(ports[1], ports[0])
    await proxy.start()
    record = Record(directory / "record")
    sink = SinkProcess(ports[2], directory / "record")
    sink.start()
    (directory / "hookline.toml").write_text(_config(ports, spill_dir))
    env = environment(HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=SECRET.reveal().decode())
    commands = [Command(name, directory, env) for name in ("receiver", "worker", "worker")]
    redis = connect(Settings(url=server.url))
    try:
        await until(lambda: _listens(ports[3]), seconds=30)
        yield Stack(
            receiver=commands[0],
            workers=commands[1:],
            server=server,
            proxy=proxy,
            sink=sink,
            record=record,
            redis=redis,
            port=ports[3],
        )
    finally:
        for command in commands:
            command.end()
        await redis.aclose(close_connection_pool=True)
        await proxy.stop()
        sink.kill()
        record.close()
        server.kill()


def _config(ports: list[int], spill_dir: str) -> str:
    return _CONFIG.format(
        redis=ports[1],
        receiver=ports[3],
        receivers=_RECEIVERS,
        workers=_WORKERS,
        lease_s=LEASE_S,
        channel=_CHANNEL.format(sink=ports[2]),
        every_event=EVERY_EVENT,
        rewards=REWARDS,
        rewarded=REWARDED,
        spill=f'spill_dir = "{spill_dir}"' if spill_dir else "",
    )


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
