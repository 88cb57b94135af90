"""A worker in a process of its own, which tests can kill. Run as `python -m tests.worker_process JSON`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from broker.queue import batch, jobs
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect, longest_block_s
from broker.redis.partitions import Partitions, connect_all
from sources import KINDS
from sources.event import Event
from sources.signed_request import NO_HEADERS, Headers
from tests.clocks import clock_off_by
from tests.forked import Fork
from tests.leash import leashed
from worker.channels.settings import ChannelSettings, HttpSettings
from worker.components import Setup
from worker.main import run_on
from worker.rules.rules import Rule
from worker.settings import AlertSettings, Settings
from worker.worker_source import WorkerSource

RULES = (
    Rule(
        name="points-added",
        events=("*points_added",),
        channel="sink",
        text="{{ customer.name }}: {{ balance.points }} points",
    ),
)
POISON = b"poison"
NEWER_FORMAT = b"newer "
"""The first bytes of a batch that only a newer version reads."""

NEWER_FUNCTION = "notify_newer"


class Parts(Struct, frozen=True):
    """The parts of a worker that its config and its version decide."""

    sources: tuple[str, ...] = ("voucherify",)
    channels: tuple[str, ...] = ("sink",)
    rules: tuple[Rule, ...] = RULES
    newer: bool = False
    """True if the worker reads NEWER_FORMAT and runs NEWER_FUNCTION."""

    channel: dict[str, Any] = {}
    """Settings of the channels besides those of `sink_channel`."""

    namespace: str = "hookline"
    partitions: int = 1
    servers: tuple[str, ...] = ()
    """The Redis of each partition, if they are on several servers. The worker's own Redis is not used then."""

    alerts: AlertSettings = AlertSettings()
    expect_every_s: float = 0.0
    """With 1 the worker checks alerts every second; a silent source is an alert."""


def sink_channel(url: str, **channel: Any) -> dict[str, ChannelSettings]:
    """Return a channel to the sink that retries soon. Its breaker does not open, unless `channel` sets that."""
    settings = {
        "url": url,
        "allow_private": True,
        "timeout_s": 20.0,
        "retry": {"base_s": 0.05, "cap_s": 0.2, "attempts": 12},
        "breaker": {"failures": 1_000_000},
    }
    return {"sink": msgspec.convert({"kind": "http", **settings, **channel}, HttpSettings)}


class WorkerProcess:
    """`lease_s`, `takeover_s` and `unrecognized_grace_s` are short, so that tests see the effect of a death soon.

    `clock_s`: by how much its clock is wrong.
    """

    def __init__(self, redis_url: str, sink_url: str, parts: Parts = Parts(), **settings: float) -> None:  # noqa: B008 - frozen
        clock_s = settings.pop("clock_s", 0.0)
        self._environment = os.environ | (clock_off_by(clock_s) if clock_s else {})
        self._arguments = {
            "redis": redis_url,
            "sink": sink_url,
            "parts": parts,
            "settings": {"lease_s": 2.0, "takeover_s": 1.0, "unrecognized_grace_s": 0.0} | settings,
        }
        self._new_python = bool(clock_s)
        self._process: Fork | subprocess.Popen[bytes] | None = None

    def start(self) -> WorkerProcess:
        line = msgspec.json.encode(self._arguments).decode()
        root = Path(__file__).parent.parent
        if self._new_python:
            command = leashed([sys.executable, "-m", "tests.worker_process", line])
            self._process = subprocess.Popen(command, cwd=root, env=self._environment)
        else:
            self._process = Fork("tests.worker_process", line, cwd=root, env=self._environment)
        return self

    @property
    def process(self) -> Fork | subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def decode_or_die(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
    """Decode like a decoder whose fault ends the process, as a crash in native code would."""
    if POISON in body:
        os.kill(os.getpid(), signal.SIGKILL)
    return KINDS["voucherify"].decode(body, hint, headers)


def partitions_on(servers: Sequence[str]) -> Partitions:
    """Return one partition on each of these servers."""
    return Partitions([connect(RedisSettings(url=url), partition=n) for n, url in enumerate(servers)])


def be_newer() -> None:
    """Make this process a version that reads more than the current one."""
    decode, deserialize = batch.decode, jobs.deserialize

    def decode_newer(blob: bytes) -> list[RawBody]:
        if not blob.startswith(NEWER_FORMAT):
            raise UnreadableBatchError("of a version long gone")
        return decode(blob.removeprefix(NEWER_FORMAT))

    def deserialize_newer(data: bytes) -> dict[str, Any]:
        job = deserialize(data)
        return job | {"f": jobs.NOTIFY} if job["f"] == NEWER_FUNCTION else job

    batch.decode, jobs.deserialize = decode_newer, deserialize_newer


async def main(arguments: dict[str, Any]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kind = msgspec.structs.replace(KINDS["voucherify"], decode=decode_or_die)
    parts = msgspec.convert(arguments["parts"], Parts)
    if parts.newer:
        be_newer()
    [sink] = sink_channel(arguments["sink"], **parts.channel).values()
    setup = Setup(
        sources={name: WorkerSource(kind, 7, expect_every_s=parts.expect_every_s) for name in parts.sources},
        rules=parts.rules,
        channels=dict.fromkeys(parts.channels, sink),
        alerts=parts.alerts,
    )
    redis = RedisSettings(url=arguments["redis"], namespace=parts.namespace, partitions=parts.partitions)
    settings = msgspec.convert(arguments["settings"], Settings)
    partitions = partitions_on(parts.servers) if parts.servers else connect_all(redis)
    await run_on(settings, setup, partitions, block_s=longest_block_s(redis), stop=stop)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1])))
