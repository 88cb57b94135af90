"""Measures work that waits and then comes at once, with 1, 2 and 4 worker processes on the same machine.

Each rush runs once with each number of processes: how many notifications a second, and how much CPU time of the
workers and of Redis together each takes. More processes must not make any rush slower: the value is the lowest of
their speeds, as a share of that of one process. Sinks have processes of their own, and their CPU time does not
count. Before a rush, the workers have sent a few notifications.

Where one channel must not hold up another, the speed is that of the plain one with one process, and the value is
its share of the speed that it had alone right before. The CPU time of all notifications that were sent counts in
each case. HOOKLINE_BENCH_RUSHES selects the rushes whose names contain it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import redis
import uvloop
from msgspec import Struct, structs

from benchmarks.harness.counting_sinks import CountingSink, counting_mail_sink, counting_sink
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import cpu_s, running
from benchmarks.harness.redis_server import KEYS, redis_cpu_s, running_redis
from benchmarks.harness.waiting_work import hold, jobs_of, make_dead, notifications, put, sent_in_total, waiting
from broker.queue import channel_state
from broker.queue.waiting.cause import Deferral
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import connect_all
from inspector.operations import bulk_actions
from inspector.operations.filters import Filter
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from worker.channels.settings import AppriseSettings, ChannelSettings, EmailSettings, HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.rules.rules import DEFAULT_TEXT, Rule
from worker.settings import AlertSettings, Settings

_WORKERS = (1, 2, 4)
_FEW_WORKERS = (1, 4)
_WARM_UP = 500
_COUNT = 6_000
_MORE = 12_000
_OTHERS = 4_000
_MAILS = 2_000
_CALLS = 400
_WINDOW_S = 3.0
_DUE_IN_S = 0.5
_EARLIER_S = 0.05
_POLL_S = 0.02
_GIVE_UP_AFTER_S = 60.0
_NOT_SLOWER = 0.9
_NEARLY_ALONE = 0.8

_Begin = Callable[[str, redis.Redis], None]
"""Begins a rush. Gets the address of Redis, and a client for it."""


class _Rush(Struct, frozen=True):
    """Work that waits for one or two channels."""

    name: str
    channels: Mapping[str, ChannelSettings]
    sink: CountingSink
    """The sink of the channel whose speed is measured."""

    begin: _Begin
    """Runs when the workers are ready. The rush begins when it returns."""

    count: int = _COUNT
    """The notifications for that sink."""

    prepare: _Begin = lambda _url, _client: None
    """Runs before the workers start."""

    is_beside: bool = False
    """True if other channels have work too, and must not hold up that channel."""

    workers: tuple[int, ...] = _WORKERS
    """The numbers of worker processes with which it runs."""

    lasts_s: float = 0.0
    """Seconds after which the measurement ends; 0 for when all notifications were sent."""


class _Run(Struct, frozen=True):
    """A rush with one number of worker processes."""

    workers: int
    speed: float
    """The number of notifications a second."""

    cpu: float
    """Seconds of CPU time for each notification; for a measurement of some seconds, for each of these."""


_Measure = Callable[[_Rush, int], _Run]
"""Measures a rush with a number of worker processes."""


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a rush takes longer than a minute."""
    wanted = os.environ.get("HOOKLINE_BENCH_RUSHES", "")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running_redis())
        client = stack.enter_context(contextlib.closing(redis.Redis.from_url(url)))
        rushes = [rush for rush in _rushes(stack) if wanted in rush.name]
        measure = partial(_measured, url=url, client=client)
        return [_beside(rush, measure) if rush.is_beside else _with_more(rush, measure) for rush in rushes]


def _rushes(stack: contextlib.ExitStack) -> Iterator[_Rush]:
    plain, other, slow, hanging = (
        stack.enter_context(counting_sink(delay_s=delay_s)) for delay_s in (0.0, 0.0, 0.1, 10.0)
    )
    mail = stack.enter_context(counting_mail_sink())
    http = {"plain": HttpSettings(url=plain.url, allow_private=True)}
    to_other = partial(HttpSettings, allow_private=True)
    quiet = partial(_due, waits_for="quiet_hours")
    yield _Rush("end of quiet hours, jobs of 64", http, plain, partial(quiet, plain=_MORE), _MORE)
    yield _Rush("end of quiet hours, jobs of 1", http, plain, partial(quiet, plain=_COUNT, size=1))
    yield _Rush(
        "retries spread over two seconds, jobs of 4",
        http,
        plain,
        partial(_due, plain=_COUNT, size=4, waits_for="retry", within_s=2.0),
    )
    yield _Rush("a channel is resumed, jobs of 64", http, plain, partial(_resume, size=64))
    yield _Rush("a channel is resumed, jobs of 1", http, plain, partial(_resume, size=1))
    yield _Rush("a replay of dead letters", http, plain, _replay, prepare=_make_dead)
    port = mail.port
    by_mail = EmailSettings(host="127.0.0.1", port=port, security="none", sender="shop@example.com")
    yield _Rush("e-mail", {"plain": by_mail}, mail, partial(_due, plain=_MAILS), _MAILS)
    apprise = AppriseSettings(url=Secret(plain.url.replace("http", "json", 1)))
    yield _Rush("apprise", {"plain": apprise}, plain, partial(_due, plain=_CALLS), _CALLS)
    for name, channel in {
        "that may send 500 a second": to_other(url=other.url, rate_per_s=500),
        "that may send 1 a second": to_other(url=other.url, rate_per_s=1),
        "that takes 100 ms each": to_other(url=slow.url),
        "that hangs": to_other(url=hanging.url, timeout_s=30),
    }.items():
        begin = partial(_due, plain=_MORE, other=_OTHERS)
        yield _Rush(f"beside a channel {name}", {**http, "other": channel}, plain, begin, _MORE, is_beside=True)
    four = {f"other{number}": to_other(url=hanging.url, timeout_s=30) for number in range(4)}
    begin = partial(_due, plain=_MORE, **dict.fromkeys(four, _OTHERS // 4))
    yield _Rush("beside four channels that hang", {**http, **four}, plain, begin, _MORE, is_beside=True)
    for rate in (500.0, 1.0, 0.01):
        limited = {**http, "other": to_other(url=other.url, rate_per_s=rate)}
        begin = partial(_due, other=_OTHERS)
        yield _Rush(f"{rate:g} a second alone", limited, other, begin, workers=_FEW_WORKERS, lasts_s=_WINDOW_S)


def _due(
    _url: str,
    client: redis.Redis,
    *,
    size: int = 64,
    waits_for: Deferral | None = None,
    within_s: float = 0.0,
    **counts: int,
) -> None:
    """Put jobs into the queue that are due soon, and wait until then. counts: notifications by channel."""
    ready = [
        jobs_of(notifications(count, rule=channel), channel, size=size, waits_for=waits_for)
        for channel, count in counts.items()
    ]
    due_s = time.time() + _DUE_IN_S
    for place, packed in enumerate(ready):  # those of the plain channel come after the others
        put(client, packed, due_s=due_s - _EARLIER_S * place, within_s=within_s)
    time.sleep(max(0.0, due_s - time.time()))


def _resume(url: str, client: redis.Redis, *, size: int) -> None:
    async def switch() -> None:
        partition = connect(RedisSettings(url=url))
        await channel_state.pause(partition, "plain", by="benchmark")
        hold(client, jobs_of(notifications(_COUNT, rule="plain"), "plain", size=size), "plain")
        client.rpush(KEYS.wake, "1")  # so that the workers know of the held jobs, as if they had held them
        await asyncio.sleep(_DUE_IN_S)
        await channel_state.resume(partition, "plain", by="benchmark")
        await partition.aclose()

    uvloop.run(switch())


def _make_dead(url: str, _client: redis.Redis) -> None:
    make_dead(url, notifications(_COUNT, rule="plain"), "plain")


def _replay(url: str, _client: redis.Redis) -> None:
    async def replay() -> None:
        partitions = connect_all(RedisSettings(url=url))
        selection = await bulk_actions.select(partitions, Filter())
        action = await bulk_actions.begin(partitions, "replay", selection, by="benchmark", owner="benchmark")
        async for _ in bulk_actions.run(partitions, action, owner="benchmark"):
            pass
        await partitions.aclose()

    multiprocessing.get_context("fork").Process(target=lambda: uvloop.run(replay()), daemon=True).start()


def _measured(rush: _Rush, workers: int, url: str, client: redis.Redis) -> _Run:
    client.flushall()
    rules = tuple(
        Rule(name=name, events=("*.points_added",), channel=name, to="member@example.com", text=DEFAULT_TEXT)
        for name in rush.channels
    )
    setup = setup_of({"voucherify": SourceSettings()}, rules, rush.channels, AlertSettings())
    rush.prepare(url, client)
    logging.disable(logging.WARNING)  # each worker warns that a channel is paused
    with contextlib.ExitStack() as stack:
        run = partial(work, Settings(), setup, RedisSettings(url=url))
        pids = [stack.enter_context(running(run)) for _ in range(workers)]
        _wait_until(lambda: client.zcard(KEYS.workers) == workers)
        put(client, jobs_of(notifications(_WARM_UP, rule="plain"), "plain", size=16), due_s=time.time())
        _wait_until(lambda: waiting(client) == 0)
        sent_before, all_before = rush.sink.sent(), sent_in_total(client)
        rush.begin(url, client)
        before, began_s = _cpu_s(pids, client), time.monotonic()
        if rush.lasts_s:
            time.sleep(rush.lasts_s)
        else:
            _wait_until(lambda: rush.sink.sent() - sent_before >= rush.count)
        took_s, spent_s = time.monotonic() - began_s, _cpu_s(pids, client) - before
        speed = (rush.sink.sent() - sent_before) / took_s
        per = took_s if rush.lasts_s else sent_in_total(client) - all_before
        for pid in pids:  # what still waits in a limited channel takes hours
            os.kill(pid, signal.SIGKILL)
    logging.disable(logging.INFO)
    return _Run(workers, speed, spent_s / per)


def _with_more(rush: _Rush, measure: _Measure) -> Figure:
    """Compare more processes with one."""
    runs = [measure(rush, workers) for workers in rush.workers]
    one, *more = runs
    measured = ", ".join(f"{run.workers}: {_text(rush, run)}" for run in runs)
    return Figure(rush.name, measured, min(run.speed for run in more) / one.speed, _NOT_SLOWER)


def _beside(rush: _Rush, measure: _Measure) -> Figure:
    """Compare with the same work alone."""
    alone = measure(structs.replace(rush, begin=partial(_due, plain=rush.count)), 1)
    run = measure(rush, 1)
    measured = f"{_text(rush, run)}, alone {_text(rush, alone)}"
    return Figure(rush.name, measured, run.speed / alone.speed, _NEARLY_ALONE)


def _text(rush: _Rush, run: _Run) -> str:
    scale, unit = (1e3, "ms") if rush.lasts_s else (1e6, "us")
    return f"{run.speed:,.0f}/s {run.cpu * scale:.0f} {unit}"


def _cpu_s(pids: Sequence[int], client: redis.Redis) -> float:
    return sum(map(cpu_s, pids)) + redis_cpu_s(client)


def _wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all notifications were sent within {_GIVE_UP_AFTER_S:g} s")
        time.sleep(_POLL_S)
