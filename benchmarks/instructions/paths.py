"""The hot paths that are counted. They run inside callgrind, and their peers outside of it.

Each path has rounds of the same work: `prepare`, which does not count, and `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from msgspec import Struct, structs

from benchmarks.harness.backlog import batches, sample_bodies
from benchmarks.harness.load import SECRET
from benchmarks.history import sample_rows
from benchmarks.instructions.peers import AT_ONCE
from benchmarks.notify import RULES
from broker.history.sealing import seal
from broker.history.settings import HistorySettings
from broker.history.tail_blocks import EVENTS, OUTCOMES, packed_events, packed_outcomes
from broker.queue import jobs, stream
from broker.queue.stream import Confirmation
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import connect_all
from receiver.server import serve
from receiver.settings import Settings as ReceiverSettings
from runtime.listening_socket import listen
from sources import KINDS
from sources.settings import Settings as SourceSettings
from worker.channels.settings import HttpSettings
from worker.components import Components, Setup
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.delivery.job_leases import Leases
from worker.delivery.outcome_recorder import OutcomeRecorder
from worker.delivery.partition import Partition
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.main import run_on
from worker.rules.rules import Rule, RuleBook
from worker.settings import Settings
from worker.vitals import Vitals
from worker.worker_context import WorkerContext
from worker.worker_source import WorkerSource

_CONSUMER = "counted"
_SOURCES = {"voucherify": WorkerSource(KINDS["voucherify"], dedupe_window_days=7)}
_ON, _OFF = HistorySettings(), HistorySettings(keep_days=0)

_CONDITIONAL = tuple(
    structs.replace(rule, when="data.balance.points > 0", key="{{ data.transaction.id }}") for rule in RULES
)

_COMMITTED = 256
"""Bodies of one commit: 4 batches of 64."""

_LEASE_S = 3600.0
"""Longer than a measurement on a busy machine, so that no lease ends."""

_FIRST_MS = 1_800_000_000_000
"""The time of the first event in the history that is sealed."""


_KEY = "0123456789abcdef" * 2
"""The key of the tokens of the history."""


class Peers(Struct, frozen=True):
    """The programs outside of the counted process."""

    redis: RedisSettings
    sink: str
    """The URL that takes notifications."""

    ask: Callable[[str], Awaitable[None]]
    """Asks the process that started this one for something, and returns when it is done."""


class HotPath(Protocol):
    """Work that is done in rounds."""

    events: int
    """How many events a round has."""

    async def prepare(self) -> None:
        """Make a round possible."""

    async def run(self) -> None:
        """Do the work of one round."""


class Receive:
    """The receiver verifies webhooks, collects them and writes them to Redis."""

    events = 640

    def __init__(self, peers: Peers) -> None:
        listener = listen("127.0.0.1", 0)
        self._request = f"{self.events} webhooks to {listener.getsockname()[1]}"
        self._ask = peers.ask
        sources = {"voucherify": SourceSettings(secrets=(SECRET,))}
        serving = serve(ReceiverSettings(), sources, connect_all(peers.redis), listener)
        self._serving = asyncio.create_task(serving)

    async def prepare(self) -> None:
        """Nothing is to be prepared."""

    async def run(self) -> None:
        """Let the load generator send the webhooks."""
        await self._ask(self._request)


class Decode:
    """A provider's code decodes webhooks in its own format."""

    events = 1024

    def __init__(self, _peers: Peers) -> None:
        self._bodies = sample_bodies(self.events)

    async def prepare(self) -> None:
        """Nothing is to be prepared."""

    async def run(self) -> None:
        """Decode all of them."""
        decode = KINDS["voucherify"].decode
        for body in self._bodies:
            decode(body, "")


class TakeIn:
    """Intake reads batches, decodes and commits them."""

    def __init__(
        self, peers: Peers, history: HistorySettings, events: int = 8 * _COMMITTED, rules: tuple[Rule, ...] = RULES
    ) -> None:
        self.events = events
        self._redis = connect(peers.redis)
        planner = Planner(_SOURCES, RuleBook(rules), max_deliveries=3, writes_history=history.is_on)
        self._intake = Intake(self._redis, planner, Settings(), consumer=_CONSUMER)
        self._appended = 0

    async def prepare(self) -> None:
        """Append webhooks to the stream."""
        await stream.create_group(self._redis)
        for batch in batches(sample_bodies(self.events, first=self._appended)):
            await stream.append(self._redis, batch, Confirmation())
        self._appended += self.events

    async def run(self) -> None:
        """Read and commit all of them."""
        await self._intake.process(await stream.read(self._redis, _CONSUMER, count=self.events, block_ms=1))


class Notify:
    """Delivery claims jobs, renders and sends their messages over HTTP, and records the outcomes."""

    events = 640

    def __init__(self, peers: Peers, history: HistorySettings, rules: tuple[Rule, ...] = RULES) -> None:
        self._intake = TakeIn(peers, history, self.events, rules)
        partitions, settings = connect_all(peers.redis), Settings(lease_s=_LEASE_S)
        context = WorkerContext(
            partitions, _CONSUMER, settings, Durability(), ProcessChannels(partitions), Vitals(settings)
        )
        channels = {"sink": HttpSettings(url=peers.sink, allow_private=True, concurrency=AT_ONCE)}
        self._components = Components(
            Setup(sources=_SOURCES, rules=rules, channels=channels, history=history), context
        )
        redis = partitions.control
        self._leases = Leases(redis, _CONSUMER, lease_s=_LEASE_S)
        self._partition = Partition(
            redis, _CONSUMER, OutcomeRecorder(redis, _CONSUMER), ChannelRuntimes(redis, context.channels)
        )
        context.vitals.room.open(self._partition)

    async def prepare(self) -> None:
        """Let intake make the notifications."""
        await self._intake.prepare()
        await self._intake.run()

    async def run(self) -> None:
        """Run one job after another, so that the sink knows how many requests come."""
        for _ in range(self.events // AT_ONCE):
            [claimed] = (await self._leases.claim(1)).jobs
            packed = jobs.deserialize(claimed.blob)["a"][0]
            await self._components.run(self._partition, claimed, packed, self._leases.of(claimed.id))
            self._leases.drop(claimed.id)


class Alone:
    """A receiver and a worker take webhooks that come one by one, from the request to the recorded outcome."""

    events = 64

    def __init__(self, peers: Peers) -> None:
        self._ask, self._redis = peers.ask, connect(peers.redis)
        listener = listen("127.0.0.1", 0)
        self._request = f"{self.events} single webhooks to {listener.getsockname()[1]}"
        sources = {"voucherify": SourceSettings(secrets=(SECRET,))}
        channels = {"sink": HttpSettings(url=peers.sink, allow_private=True)}
        setup = Setup(sources=_SOURCES, rules=RULES, channels=channels, history=_ON)
        worker = run_on(
            Settings(lease_s=_LEASE_S), setup, connect_all(peers.redis), block_s=_LEASE_S, stop=asyncio.Event()
        )
        receiver = serve(ReceiverSettings(), sources, connect_all(peers.redis), listener)
        self._running = [asyncio.create_task(receiver), asyncio.create_task(worker)]

    async def prepare(self) -> None:
        """Wait until the worker reads."""
        while not (await self._redis.info("clients"))["blocked_clients"]:  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Let the load generator send one webhook after another."""
        await self._ask(self._request)


class Seal:
    """The sealer makes a segment of blocks of the history."""

    events = 16 * _COMMITTED

    def __init__(self, peers: Peers) -> None:
        self._redis = connect(peers.redis)
        self._rounds = 0

    async def prepare(self) -> None:
        """Append the blocks, as intake and delivery write them."""
        # A random key would give other tokens in each run, which take another time to sort.
        await self._redis.set(self._redis.names.dead_find_key, _KEY)
        first = self._rounds * self.events
        for start in range(first, first + self.events, _COMMITTED):
            rows = [sample_rows(number, _FIRST_MS + number) for number in range(start, start + _COMMITTED)]
            await self._append(start, 0, {EVENTS: packed_events([event for event, _ in rows])})
            for job in range(0, _COMMITTED, AT_ONCE):
                outcomes = [outcome for _, outcome in rows[job : job + AT_ONCE]]
                await self._append(start, job + 1, {OUTCOMES: packed_outcomes(outcomes)})
        self._rounds += 1

    async def _append(self, ms: int, number: int, block: Mapping[bytes, bytes]) -> None:
        await self._redis.xadd(self._redis.names.history, block, id=f"{_FIRST_MS + ms}-{number}")

    async def run(self) -> None:
        """Seal all of them."""
        await seal(self._redis, _ON, age_ms=_FIRST_MS * -1)


PATHS: Mapping[str, Callable[[Peers], HotPath]] = {
    "receiver": Receive,
    "decoding": Decode,
    "intake": partial(TakeIn, history=_ON),
    "intake with when and key": partial(TakeIn, history=_ON, rules=_CONDITIONAL),
    "intake without a history": partial(TakeIn, history=_OFF),
    "notify": partial(Notify, history=_ON),
    "notify with when and key": partial(Notify, history=_ON, rules=_CONDITIONAL),
    "notify without a history": partial(Notify, history=_OFF),
    "alone": Alone,
    "sealing": Seal,
}
