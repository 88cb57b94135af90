"""Tests of background loops: an outage of Redis makes them wait, and ends none of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from broker.redis.connection import Settings, connect
from broker.redis.errors import BrokerError, Misconfigured, Unavailable
from broker.redis.outage import BACKOFF, Outage, pause, repeat, until_done
from runtime.backoff import Backoff
from runtime.fault_log import Faults

LOG = logging.getLogger("hookline.tests")
AWAY = Unavailable("Redis is not reachable")
REFUSED = Misconfigured("the Redis user may not run XREADGROUP")


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(vars(record)["action"], record.getMessage()) for record in caplog.records]


def steps(*results: float | Exception) -> Callable[[], float]:
    left = iter(results)

    def step() -> float:
        result = next(left)
        if isinstance(result, Exception):
            raise result
        return result

    return step


async def run(step: Callable[[], float], *, wake: asyncio.Event | None = None) -> None:
    """Repeat a step until it has no more results."""
    stop = asyncio.Event()

    async def next_step() -> float:
        try:
            return step()
        except StopIteration:
            stop.set()
            return 0.0

    faults = Faults(LOG, "digests were not closed", action="digest_failed")
    await repeat(next_step, Outage(LOG, "closing digests"), faults, stop=stop, wake=wake)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (AWAY, ("redis_away", "reading webhooks waits for Redis: Redis is not reachable")),
        (REFUSED, ("redis_refuses", "Redis refuses reading webhooks: the Redis user may not run XREADGROUP")),
    ],
)
@pytest.mark.parametrize(("log_every_s", "lines"), [(60.0, 1), (0.0, 3)])
def test_an_outage_is_logged_once_a_period(
    caplog: pytest.LogCaptureFixture, log_every_s: float, lines: int, error: BrokerError, line: tuple[str, str]
) -> None:
    outage = Outage(LOG, "reading webhooks", log_every_s=log_every_s)

    for _ in range(3):
        outage.note(error)

    assert logged(caplog) == [line] * lines


@pytest.mark.parametrize(("partitions", "place"), [(1, ""), (16, " in partition 3")])
async def test_messages_name_the_partition_if_there_are_several(
    caplog: pytest.LogCaptureFixture, partitions: int, place: str
) -> None:
    caplog.set_level(logging.INFO)
    number = 3 if partitions > 1 else 0
    client = connect(Settings(url="redis://127.0.0.1:1", partitions=partitions), partition=number)
    outage = Outage(LOG, "reading webhooks", redis=client)

    outage.note(AWAY)
    outage.end()
    await client.aclose()

    assert [text for _, text in logged(caplog)] == [
        f"reading webhooks{place} waits for Redis: Redis is not reachable",
        f"Redis is back: reading webhooks{place} continues",
    ]


def test_an_error_that_waiting_does_not_fix_is_logged_during_an_outage_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage(LOG, "reading webhooks")
    for error in (AWAY, AWAY, REFUSED, REFUSED):
        outage.note(error)
    assert [action for action, _ in logged(caplog)] == ["redis_away", "redis_refuses"]


def test_secondary_work_logs_only_what_waiting_does_not_fix(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(LOG, "closing digests", is_secondary=True)

    outage.note(AWAY)
    outage.end()
    assert logged(caplog) == []

    outage.note(REFUSED)
    outage.end()
    assert [action for action, _ in logged(caplog)] == ["redis_refuses", "redis_back"]


async def test_a_loop_survives_outages_and_defects(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    await run(steps(0.0, AWAY, AWAY, ValueError("a defect"), 0.0, 0.0))

    assert [action for action, _ in logged(caplog)] == ["redis_away", "digest_failed", "redis_back"]


async def test_a_wake_up_shortens_the_wait_for_the_next_step() -> None:
    wake = asyncio.Event()
    wake.set()
    async with asyncio.timeout(60):
        await run(steps(3600.0), wake=wake)
    assert not wake.is_set()


async def test_a_cancelled_loop_ends() -> None:
    task = asyncio.create_task(run(steps(3600.0)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_step_is_repeated_until_redis_does_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    step = steps(AWAY, AWAY, 7.0)

    async def claim() -> float:
        return step()

    assert await until_done(claim, Outage(LOG, "claiming the namespace")) == 7.0
    assert [action for action, _ in logged(caplog)] == ["redis_away", "redis_back"]


async def test_a_pause_ends_early_when_its_event_is_set() -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(60):
        await pause(3600.0, stop)
        await pause(0.0)


def test_waits_double_up_to_the_limit_and_jitter_only_shortens_them() -> None:
    backoff = Backoff(first_s=0.5, longest_s=4.0)
    assert [backoff.delay_s(failures) for failures in range(6)] == [0.5, 0.5, 1.0, 2.0, 4.0, 4.0]
    for failures in range(1, 2000):
        assert backoff.delay_s(failures) / 2 <= backoff.jittered_s(failures) <= backoff.delay_s(failures)
        assert BACKOFF.jittered_s(failures) <= BACKOFF.longest_s
