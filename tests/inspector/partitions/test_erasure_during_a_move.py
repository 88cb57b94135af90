"""Erasure of a person while data moves to another number of partitions, or after such a move was interrupted."""

from __future__ import annotations

import asyncio

import pytest

from broker import dead_letters
from broker.namespace.layout import Move
from broker.queue import stream
from broker.repartition.letters import ADD_LETTERS
from broker.repartition.run import repartition
from broker.repartition.state import RepartitionError
from inspector.operations.erasure.result import ForgetResult
from inspector.operations.forget import forget_everywhere
from inspector.privacy.person import Person
from runtime.task_cancellation import cancel_and_wait
from sources import KINDS
from tests.broker.repartition.installation import (
    SUBJECTS,
    change,
    connected,
    fill,
    leftovers,
    orders,
    settings_of,
    total,
)
from tests.broker.repartition.killed import kill_before, move_until_killed
from tests.redis_server import RedisServer
from tests.until import until

PERSON = Person(["customer-5"], {"voucherify": KINDS["voucherify"]})
CUSTOMER = b"customer-5"


async def forget(server: RedisServer, *, partitions: int) -> ForgetResult:
    return await forget_everywhere(settings_of(server.url, partitions), orders("forget"), PERSON, by="ann")


async def filled(server: RedisServer) -> None:
    one = connected(server.url, 1)
    await fill(one)
    await one.aclose()


async def letters_of_the_person(server: RedisServer, partitions: int) -> int:
    clients = connected(server.url, partitions)
    letters = [
        stored
        for client in clients
        for letter in await dead_letters.newest(client, count=1000)
        if (stored := await dead_letters.get(client, letter.id)) and CUSTOMER in stored.body
    ]
    await clients.aclose()
    return len(letters)


def interrupt_move(server: RedisServer) -> list[bytes]:
    """Kill a move to four partitions when dead letters are under way. Returns the names of what is."""
    assert not move_until_killed(server.url, 4, lambda: kill_before(ADD_LETTERS))
    with server.client() as client:
        client.delete("{hookline:0}:repartition:lease")  # it would end by itself
        names: list[bytes] = client.hkeys("{hookline:0}:repartition:out")  # type: ignore[assignment]
        return names


@pytest.mark.parametrize("partitions", [1, 4])
def test_data_that_an_interrupted_move_has_under_way_is_erased(redis_server: RedisServer, partitions: int) -> None:
    asyncio.run(filled(redis_server))
    before = asyncio.run(letters_of_the_person(redis_server, 1))
    assert before > 0
    assert interrupt_move(redis_server)
    assert asyncio.run(letters_of_the_person(redis_server, 4)) < before

    done = asyncio.run(forget(redis_server, partitions=partitions))

    assert (done.letters, done.is_complete) == (before, True)
    asyncio.run(change(redis_server.url, 4))
    assert asyncio.run(letters_of_the_person(redis_server, 4)) == 0
    asyncio.run(nothing_is_left(redis_server))


async def nothing_is_left(server: RedisServer) -> None:
    four = connected(server.url, 4)
    assert await leftovers(four) == []
    await total(four)  # both sums hold in each partition
    await four.aclose()


async def test_a_person_is_not_erased_while_a_process_moves_data(redis_server: RedisServer) -> None:
    one = connected(redis_server.url, 1)
    four = connected(redis_server.url, 4)
    await fill(one)
    moving = next(subject for subject in SUBJECTS if four.number_for(subject))
    seconds, _ = await one.control.time()
    await one.control.hset(one.control.names.latest + moving, "until", (seconds + 60) * 1000)
    task = asyncio.create_task(repartition(settings_of(redis_server.url, 4), Move(1, 4), orders()))
    await until(lambda: one.control.exists(one.control.names.repartition))
    with pytest.raises(RepartitionError, match="another process moves the data"):
        await forget(redis_server, partitions=1)
    await cancel_and_wait([task])
    await one.aclose()
    await four.aclose()


async def test_a_move_that_begins_meanwhile_makes_the_result_incomplete(redis_server: RedisServer) -> None:
    one = connected(redis_server.url, 1)
    await stream.create_group(one.control)
    forgetting = asyncio.create_task(forget(redis_server, partitions=1))
    await until(lambda: one.control.exists(one.control.names.audit))
    await one.control.hset(one.control.names.repartition, mapping={"old": 1, "new": 4, "phase": "moving"})
    done = await forgetting
    await one.aclose()
    assert (done.has_moved, done.is_complete) == (True, False)
