"""Carries out the disruptions of a schedule in turn, and measures how long the stack needs to recover."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from msgspec import Struct

from tests.chaos import disruptions, sink
from tests.chaos.cluster_disruptions import cluster_disrupted
from tests.chaos.commands import Command
from tests.chaos.disruptions import Disruption
from tests.chaos.sender import Sender
from tests.chaos.stack import SingleRedis, Stack
from tests.cluster import Cluster
from tests.until import until

T = TypeVar("T")

_RECOVERS_WITHIN_S = 120.0
_SINK_ANSWERS = {
    disruptions.SINK_500: sink.FAILING,
    disruptions.SINK_429: sink.LIMITED,
    disruptions.SINK_GARBAGE: sink.GARBAGE,
    disruptions.SINK_SILENT: sink.SILENT,
}


class PastDisruption(Struct, frozen=True):
    """A disruption that was carried out. Times in seconds since 1970."""

    disruption: Disruption
    began_s: float
    ended_s: float
    recovery_s: float
    """Seconds from its end until the sink had accepted the notification of a webhook that was sent after it."""


class Disruptor:
    """Call `run` once; the other members describe what it did."""

    def __init__(self, stack: Stack, sender: Sender, schedule: Sequence[Disruption]) -> None:
        self.disruptions: list[PastDisruption] = []
        self.kills = 0
        """Number of processes that got SIGKILL."""
        self.is_done = False
        self._stack = stack
        self._sender = sender
        self._schedule = schedule

    async def run(self) -> None:
        for disruption in self._schedule:
            await until(lambda disruption=disruption: self._sender.begun >= disruption.at, seconds=600)
            began_s = time.time()
            async with self._applied(disruption):
                await asyncio.sleep(disruption.lasts_s / 2)
                if disruption.kills_too:
                    self._kill_a_worker(disruption.victim + 1)
                await asyncio.sleep(disruption.lasts_s / 2)
            ended_s = time.time()
            await self._recovery(after=self._sender.begun)
            self.disruptions.append(PastDisruption(disruption, began_s, ended_s, time.time() - ended_s))
        self.is_done = True

    async def _recovery(self, after: int) -> None:
        def has_recovered() -> bool:
            self._stack.main.record.refresh()
            return self._stack.main.record.newest >= after

        await until(has_recovered, seconds=_RECOVERS_WITHIN_S)

    def _applied(self, disruption: Disruption) -> AbstractAsyncContextManager[None]:
        """Return a context manager; the stack is disrupted while it is entered."""
        if disruption.kind in _SINK_ANSWERS:
            return self._sink_answering(_SINK_ANSWERS[disruption.kind])
        methods = {
            disruptions.KILL_REDIS: self._redis_killed,
            disruptions.FREEZE_REDIS: self._redis_frozen,
            disruptions.FILL_REDIS: self._redis_full,
            disruptions.READONLY_REDIS: self._redis_read_only,
            disruptions.DROP_CONNECTIONS: self._connections_dropped,
            disruptions.DELAY_CONNECTIONS: self._connections_delayed,
            disruptions.KILL_SINK: self._sink_killed,
        }
        if disruption.kind in methods:
            return methods[disruption.kind]()
        if isinstance(self._stack.servers, Cluster) and disruption.kind in disruptions.OF_CLUSTERS:
            partitions = self._stack.main.partitions
            return cluster_disrupted(
                self._stack.servers, disruption, partitions[disruption.victim % len(partitions)]
            )
        return self._processes_disrupted(disruption)

    def _processes_disrupted(self, disruption: Disruption) -> AbstractAsyncContextManager[None]:
        match disruption.kind:
            case disruptions.KILL_RECEIVER:
                return self._killed(_one(self._stack.main.receiver.children(), disruption.victim))
            case disruptions.KILL_WORKER:
                return self._killed(self._some_workers(disruption.victim))
            case disruptions.KILL_COMMAND:
                return self._command_killed(_one(self._stack.main.commands, disruption.victim)[0])
            case disruptions.FREEZE_RECEIVER:
                return self._frozen(_one(self._stack.main.receiver.children(), disruption.victim))
            case disruptions.FREEZE_WORKER:
                return self._frozen(self._some_workers(disruption.victim))
        raise AssertionError(disruption.kind)

    def _some_workers(self, victim: int) -> list[int]:
        """Return one of all worker processes, or all processes of one command."""
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

    def _single(self) -> SingleRedis:
        assert isinstance(self._stack.servers, SingleRedis)
        return self._stack.servers

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
        self._single().server.kill()
        self.kills += 1
        yield
        await asyncio.to_thread(self._single().server.start)

    @asynccontextmanager
    async def _redis_frozen(self) -> AsyncIterator[None]:
        self._single().server.freeze()
        yield
        self._single().server.thaw()

    @asynccontextmanager
    async def _redis_full(self) -> AsyncIterator[None]:
        redis = self._stack.main.redis
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", used)
        yield
        await redis.config_set("maxmemory", 0)

    @asynccontextmanager
    async def _redis_read_only(self) -> AsyncIterator[None]:
        """Make Redis a replica without a primary: it keeps its data and refuses writes, as after a failover."""
        await self._stack.main.redis.replicaof("127.0.0.1", "1")
        yield
        await self._stack.main.redis.replicaof("NO", "ONE")

    @asynccontextmanager
    async def _connections_dropped(self) -> AsyncIterator[None]:
        dropping = asyncio.create_task(self._keep_dropping())
        yield
        dropping.cancel()
        self._single().proxy.refuses = False

    async def _keep_dropping(self) -> None:
        while True:
            self._single().proxy.refuses = not self._single().proxy.refuses
            self._single().proxy.drop()
            await asyncio.sleep(0.3)

    @asynccontextmanager
    async def _connections_delayed(self) -> AsyncIterator[None]:
        self._single().proxy.delay_s = 0.15
        yield
        self._single().proxy.delay_s = 0.0

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
    """Return one of them, or none while all of them are being started again."""
    return [those[victim % len(those)]] if those else []
