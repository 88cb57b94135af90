"""A worker in a process of its own, to kill. Run as `python -m tests.worker_process JSON`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from broker.connection import Settings as RedisSettings
from sources import KINDS
from sources.event import Event
from worker.channels.settings import ChannelSettings, HttpSettings
from worker.main import run
from worker.planning import WorkerSource
from worker.retry import RetrySettings
from worker.rules import Rule
from worker.settings import Settings

RULES = (
    Rule(
        name="points-added",
        events=("*points_added",),
        channel="sink",
        text="{{ customer.name }}: {{ balance.points }} points",
    ),
)
POISON = b"poison"


def sink_channel(url: str, **retry: Any) -> dict[str, ChannelSettings]:
    return {
        "sink": HttpSettings(
            url=url, timeout_s=2.0, retry=RetrySettings(**({"base_s": 0.05, "cap_s": 0.2, "attempts": 12} | retry))
        )
    }


class WorkerProcess:
    """`lease_s` and `takeover_s` are short, so that tests see what a death leads to."""

    def __init__(self, redis_url: str, sink_url: str, **settings: float) -> None:
        self._arguments = {
            "redis": redis_url,
            "sink": sink_url,
            "settings": {"lease_s": 1.0, "takeover_s": 1.0} | settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> WorkerProcess:
        line = msgspec.json.encode(self._arguments).decode()
        root = Path(__file__).parent.parent
        self._process = subprocess.Popen([sys.executable, "-m", "tests.worker_process", line], cwd=root)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
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
        return self.process.wait(timeout=20)


def decode_or_die(body: bytes, hint: str) -> Event:
    """A decoder with a fault that ends the process, as a crash in native code would."""
    if POISON in body:
        os.kill(os.getpid(), signal.SIGKILL)
    return KINDS["voucherify"].decode(body, hint)


async def main(arguments: dict[str, Any]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kind = msgspec.structs.replace(KINDS["voucherify"], decode=decode_or_die)
    await run(
        msgspec.convert(arguments["settings"], Settings),
        {"voucherify": WorkerSource(kind, 7)},
        RULES,
        sink_channel(arguments["sink"]),
        RedisSettings(url=arguments["redis"]),
        stop=stop,
    )


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1])))
