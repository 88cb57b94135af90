"""Does the harms of a schedule to a stack, one after another, and takes the time that it needs to recover."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from msgspec import Struct

from tests.chaos import harms, sink
from tests.chaos.commands import Command
from tests.chaos.harms import Harm
from tests.chaos.sender import Sender
from tests.chaos.stack import Stack
from tests.until import until

T = TypeVar("T")

_RECOVERS_WITHIN_S = 120.0
_SINK_ANSWERS = {
    harms.SINK_500: sink.FAILING,
    harms.SINK_429: sink.LIMITED,
    harms.SINK_GARBAGE: sink.GARBAGE,
    harms.SINK_SILENT: sink.SILENT,
}


class Suffered(Struct, frozen=True):
    """A harm that was done. Times in seconds since 1970."""

    harm: Harm
    began_s: float
    ended_s: float
    recovery_s: float
    """From its end until the sink had taken the notification of a webhook that was sent after it."""


class Tormentor:
    """Lifecycle: run once."""

    def __init__(self, stack: Stack, sender: Sender, schedule: Sequence[Harm]) -> None:
        self.suffered: list[Suffered] = []
        self.kills = 0
        """Processes that got SIGKILL."""
        self.is_done = False
        self._stack = stack
        self._sender = sender
        self._schedule = schedule

    async def run(self) -> None:
        for harm in self._schedule:
            await until(lambda harm=harm: self._sender.begun >= harm.at, seconds=600)
            began_s = time.time()
            async with self._done(harm):
                await asyncio.sleep(harm.lasts_s / 2)
                if harm.kills_too:
                    self._kill_a_worker(harm.victim + 1)
                await asyncio.sleep(harm.lasts_s / 2)
            ended_s = time.time()
            await self._recovery(after=self._sender.begun)
            self.suffered.append(Suffered(harm, began_s, ended_s, time.time() - ended_s))
        self.is_done = True

    async def _recovery(self, after: int) -> None:
        def has_recovered() -> bool:
            self._stack.main.record.refresh()
            return self._stack.main.record.newest >= after

        await until(has_recovered, seconds=_RECOVERS_WITHIN_S)

    def _done(self, harm: Harm) -> AbstractAsyncContextManager[None]:
        """The harm, for as long as the context lasts."""
        if harm.kind in _SINK_ANSWERS:
            return self._sink_answering(_SINK_ANSWERS[harm.kind])
        harmed = {
            harms.KILL_REDIS: self._redis_killed,
            harms.FREEZE_REDIS: self._redis_frozen,
            harms.FILL_REDIS: self._redis_full,
            harms.READONLY_REDIS: self._redis_read_only,
            harms.DROP_CONNECTIONS: self._connections_dropped,
            harms.DELAY_CONNECTIONS: self._connections_delayed,
            harms.KILL_SINK: self._sink_killed,
        }
        return harmed[harm.kind]() if harm.kind in harmed else self._processes_harmed(harm)

    def _processes_harmed(self, harm: Harm) -> AbstractAsyncContextManager[None]:
        match harm.kind:
            case harms.KILL_RECEIVER:
                return self._killed(_one(self._stack.main.receiver.children(), harm.victim))
            case harms.KILL_WORKER:
                return self._killed(self._some_workers(harm.victim))
            case harms.KILL_COMMAND:
                return self._command_killed(_one(self._stack.main.commands, harm.victim)[0])
            case harms.FREEZE_RECEIVER:
                return self._frozen(_one(self._stack.main.receiver.children(), harm.victim))
            case harms.FREEZE_WORKER:
                return self._frozen(self._some_workers(harm.victim))
        raise AssertionError(harm.kind)

    def _some_workers(self, victim: int) -> list[int]:
        """One of all worker processes, or all of one command."""
        command, *_ = _one(self._stack.main.workers, victim)
        return command.children() if victim % 3 == 0 else _one(command.children(), victim // 2)

    def _kill(self, pids: Sequence[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1

    def _kill_a_worker(self, victim: int) -> None:
        command, *_ = _one(self._stack.main.workers, victim)
        self._kill(_one(command.children(), victim // 2))

    @asynccontextmanager
    async def _killed(self, pids: Sequence[int]) -> AsyncIterator[None]:
        self._kill(pids)
        yield

    @asynccontextmanager
    async def _command_killed(self, command: Command) -> AsyncIterator[None]:
        self.kills += 1
        await command.kill()
        yield

    @asynccontextmanager
    async def _frozen(self, pids: Sequence[int]) -> AsyncIterator[None]:
        with _stopped(pids):
            yield

    @asynccontextmanager
    async def _redis_killed(self) -> AsyncIterator[None]:
        self._stack.server.kill()
        self.kills += 1
        yield
        await asyncio.to_thread(self._stack.server.start)

    @asynccontextmanager
    async def _redis_frozen(self) -> AsyncIterator[None]:
        self._stack.server.freeze()
        yield
        self._stack.server.thaw()

    @asynccontextmanager
    async def _redis_full(self) -> AsyncIterator[None]:
        redis = self._stack.main.redis
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", used)
        yield
        await redis.config_set("maxmemory", 0)

    @asynccontextmanager
    async def _redis_read_only(self) -> AsyncIterator[None]:
        """A replica whose primary is not there keeps what it has and takes no writes, as after a failover."""
        await self._stack.main.redis.replicaof("127.0.0.1", "1")
        yield
        await self._stack.main.redis.replicaof("NO", "ONE")

    @asynccontextmanager
    async def _connections_dropped(self) -> AsyncIterator[None]:
        dropping = asyncio.create_task(self._keep_dropping())
        yield
        dropping.cancel()
        self._stack.proxy.refuses = False

    async def _keep_dropping(self) -> None:
        while True:
            self._stack.proxy.refuses = not self._stack.proxy.refuses
            self._stack.proxy.drop()
            await asyncio.sleep(0.3)

    @asynccontextmanager
    async def _connections_delayed(self) -> AsyncIterator[None]:
        self._stack.proxy.delay_s = 0.15
        yield
        self._stack.proxy.delay_s = 0.0

    @asynccontextmanager
    async def _sink_killed(self) -> AsyncIterator[None]:
        self._stack.main.sink.kill()
        self.kills += 1
        yield
        self._stack.main.sink.start()

    @asynccontextmanager
    async def _sink_answering(self, how: str) -> AsyncIterator[None]:
        self._stack.main.sink.answers(how)
        yield
        self._stack.main.sink.answers(sink.OK)


@contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _one(those: Sequence[T], victim: int) -> list[T]:
    """None where all of them are just being started again."""
    return [those[victim % len(those)]] if those else []
