"""Export, import, purge and erasure of dead letters in several partitions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from broker import dead_letters
from broker.dead_letters import Note
from broker.merged import audit as all_audit
from broker.merged.away import Away
from broker.monitoring import audit, stats
from broker.queue import dedupe, held_bodies, stream
from broker.queue.held_bodies import HeldBodies
from broker.redis.confirmation import Confirmation
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from inspector.operations import retention
from inspector.operations.export.export import ImportProgress, export_lines, import_lines
from inspector.operations.export.export_format import parse_letter
from inspector.operations.filters import Filter
from inspector.operations.forget import forget_person
from inspector.privacy.person import Person
from inspector.settings import DeadSettings
from sources import KINDS
from tests.inspector.partitions.letters import (
    BUCKETS,
    NOW_MS,
    TERMS,
    add,
    assert_sums_hold,
    body,
    broken,
    in_each,
    refused,
    spread,
)
from tests.inspector.stack import sample
from tests.redis_server import RedisServer

DAY_MS = 86_400_000
KINDS_HERE = {"voucherify": KINDS["voucherify"]}


async def exported(partitions: Partitions, *, away: Away | None = None) -> list[bytes]:
    pieces = [piece async for piece in export_lines(partitions, Filter(), by="ann", away=away)]
    return [line + b"\n" for piece in pieces for line in piece.splitlines()]


async def imported(partitions: Partitions, lines: list[bytes]) -> ImportProgress:
    steps = [step async for step in import_lines(partitions, lines, TERMS, BUCKETS, by="ann", about="file.jsonl")]
    return steps[-1]


def ids_of(lines: list[bytes]) -> list[str]:
    return [letter.stored_letter.letter.id for line in lines if (letter := parse_letter(line))]


def in_file(path: str) -> list[str]:
    return ids_of(Path(path).read_bytes().splitlines(keepends=True))


def home_of(partitions: Partitions, number: int) -> int:
    event = KINDS["voucherify"].decode(sample(number), "")
    mark = dedupe.mark("voucherify", event.identity, occurred_at_ms=event.occurred_at_ms, window_ms=DAY_MS)
    return partitions.home_of(mark.bucket)


async def test_an_export_has_the_letters_of_all_partitions_in_the_order_of_time(
    three_partitions: Partitions,
) -> None:
    ids = await spread(three_partitions, 150)
    lines = await exported(three_partitions)
    assert ids_of(lines) == ids
    assert [len(await audit.read(redis)) for redis in three_partitions] == [1, 0, 0]


async def test_an_export_without_a_partition_says_so(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    ids = await spread(spread_partitions, 9)
    own_redis.kill()
    away: Away = {}
    lines = await exported(spread_partitions, away=away)
    assert ids_of(lines) == [name for name in ids if name not in ids[1::3]]
    assert b"not in this file" in lines[-1] and b"partition 1" in lines[-1] and list(away) == [1]
    with pytest.raises(Unavailable, match="partition 1 is away"):
        await exported(spread_partitions)


async def test_a_notification_is_imported_where_a_redelivery_of_its_event_looks_for_it(
    three_partitions: Partitions,
) -> None:
    letters = [refused(number) for number in range(12)]
    homes = [home_of(three_partitions, number) for number in range(12)]
    assert set(homes) == {0, 1, 2}
    # They were made by an installation with another number of partitions.
    ids = await add(three_partitions[0], letters, [NOW_MS - number for number in range(12)])
    lines = await exported(three_partitions)
    await dead_letters.discard(three_partitions[0], [letter.letter for letter in letters])

    assert (await imported(three_partitions, lines)).imported == 12
    for letter_id, home in zip(ids, homes, strict=True):
        there = [bool(await dead_letters.existing(redis, [letter_id])) for redis in three_partitions]
        assert there == [number == home for number in range(3)]
    for number, letter in enumerate(letters):
        seen = next(term for term in TERMS(letter) if term.startswith("seen:"))
        found = await dead_letters.search(three_partitions[homes[number]], seen, count=5)
        assert [row.id for row in found] == [letter.letter.id]
    await assert_sums_hold(three_partitions)


async def test_a_letter_that_exists_in_any_partition_is_not_imported_again(three_partitions: Partitions) -> None:
    await spread(three_partitions, 6)
    job = dead_letters.unreadable_job("64-job", b"a job", "unreadable")
    await add(three_partitions[2], [job], [NOW_MS])
    lines = await exported(three_partitions)
    # The job is back in the queue of its partition.
    await dead_letters.discard(three_partitions[2], [job.letter])
    await three_partitions[2].set(three_partitions[2].names.job + "64-job", b"a job")

    progress = await imported(three_partitions, lines)
    assert (progress.imported, progress.existing) == (0, 7)
    assert await in_each(three_partitions) == [2, 2, 2]


async def test_nothing_is_imported_while_a_partition_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await spread(spread_partitions, 6)
    lines = await exported(spread_partitions)
    own_redis.kill()
    with pytest.raises(Unavailable, match="partition 1 is away"):
        await imported(spread_partitions, lines)


async def test_the_limit_of_their_number_is_for_all_partitions_together(
    three_partitions: Partitions, tmp_path: Path
) -> None:
    ids = await spread(three_partitions, 7)
    ids = await add(three_partitions[1], [broken(90 + n) for n in range(5)], [NOW_MS + n for n in range(5)]) + ids
    settings = DeadSettings(keep_count=6, export_dir=str(tmp_path))
    assert (await retention.due(three_partitions, settings)).count == 6
    rounds = [one async for one in retention.purge(three_partitions, settings, by="ann", round_of=4)]
    assert [(one.letters, one.left) for one in rounds] == [(4, 2), (2, 0)]
    assert await in_each(three_partitions) == [1, 5, 0]
    assert [in_file(one.file) for one in rounds] == [ids[:-5:-1], ids[-5:-7:-1]]
    await assert_sums_hold(three_partitions)


async def test_old_letters_are_purged_although_a_partition_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    for redis in spread_partitions:
        await add(redis, [broken(redis.partition)], [NOW_MS - 3 * DAY_MS])
    own_redis.kill()
    away: Away = {}
    settings = DeadSettings(keep_days=2)
    rounds = [one async for one in retention.purge(spread_partitions, settings, by="ann", away=away)]
    assert ([one.letters for one in rounds], list(away)) == ([2], [1])


def person(number: int) -> Person:
    return Person([json.loads(sample(number))["data"]["customer"]["id"]], KINDS_HERE)


async def hold(partitions: Partitions, number: int, home: int, *numbers: int) -> None:
    """Make bodies wait in a partition for another one, as a commit does. They count as queued."""
    redis = partitions[number]
    bodies = [body(sample_number) for sample_number in numbers]
    await stream.create_group(redis)
    await stream.append(redis, bodies, Confirmation())
    [entry] = await stream.read(redis, "me", count=1, block_ms=100)
    await redis.xack(redis.names.stream, "workers", entry.id)
    await redis.xdel(redis.names.stream, entry.id)
    held = HeldBodies(home, f"{number}/{entry.id}", bodies, [3 + place for place in range(len(bodies))], True)
    await redis.rpush(f"{redis.names.held_bodies}{home}", held_bodies.packed(held))  # type: ignore[misc]


async def test_a_person_is_forgotten_in_all_partitions(three_partitions: Partitions) -> None:
    for redis in three_partitions:
        other = refused(2)
        await add(redis, [refused(1), other], [NOW_MS, NOW_MS])
        await stream.append(redis, [body(1), body(2)], Confirmation())
        customer = json.loads(sample(1))["data"]["customer"]["id"]
        await dead_letters.annotate(redis, [other.letter.id], Note(NOW_MS, "ann", f"a friend of {customer}"))

    done = await forget_person(three_partitions, person(1), TERMS, by="ann")
    again = await forget_person(three_partitions, person(1), TERMS, by="ann")

    assert (done.letters, done.webhooks, done.notes) == (3, 3, 3)
    assert (again.letters, again.webhooks, again.notes) == (0, 0, 0)
    assert await in_each(three_partitions) == [1, 1, 1]
    entries, _ = await all_audit.read(three_partitions)
    assert [entry.audit_entry.what for entry in entries] == ["forgot", "forget"] * 2
    await assert_sums_hold(three_partitions)


async def test_a_person_is_removed_from_bodies_that_wait_for_another_partition(
    three_partitions: Partitions,
) -> None:
    await hold(three_partitions, 0, 1, 1, 2, 3)
    await hold(three_partitions, 0, 1, 1)
    await hold(three_partitions, 2, 0, 2)
    redis = three_partitions[0]

    done = await forget_person(three_partitions, person(1), TERMS, by="ann")

    assert (done.webhooks, done.busy, done.unreadable) == (2, [], [])
    [element] = await redis.lrange(f"{redis.names.held_bodies}1", 0, -1)  # type: ignore[misc]
    rest = held_bodies.unpacked(element, 1)
    assert ([one.body for one in rest.bodies], rest.places, rest.any_age) == ([sample(2), sample(3)], (4, 5), True)
    totals = await stats.read_totals(redis)
    assert (totals.queued, totals.dead_at_intake, totals.forgotten) == (2, 2, 2)
    await assert_sums_hold(three_partitions)


async def test_bodies_that_returned_to_the_stream_keep_their_places_when_a_person_is_removed(
    three_partitions: Partitions,
) -> None:
    redis = three_partitions[0]
    await hold(three_partitions, 0, 1, 1, 2)
    await held_bodies.release(redis, 1, most=10)
    await forget_person(three_partitions, person(1), TERMS, by="ann")
    [(_, fields)] = await redis.xrange(redis.names.stream)
    assert (fields[b"p"], fields[b"n"], fields[b"o"][:2]) == (b"4", b"1", b"0/")


async def test_held_bodies_that_cannot_be_read_are_reported(three_partitions: Partitions) -> None:
    redis = three_partitions[0]
    customer = json.loads(sample(1))["data"]["customer"]["id"]
    await redis.rpush(f"{redis.names.held_bodies}2", f"nothing of {customer}")  # type: ignore[misc]
    done = await forget_person(three_partitions, person(1), TERMS, by="ann")
    assert (done.unreadable, done.is_complete) == (["batch held for partition 2 of partition 0"], False)


async def test_a_person_is_not_forgotten_while_a_partition_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    for redis in spread_partitions:
        await add(redis, [refused(1)], [NOW_MS])
    await asyncio.to_thread(own_redis.stop)
    done = await forget_person(spread_partitions, person(1), TERMS, by="ann")
    assert (done.letters, list(done.away), done.is_complete) == (2, [1], False)

    own_redis.start()
    spread_partitions.away.clear()
    again = await forget_person(spread_partitions, person(1), TERMS, by="ann")
    assert (again.letters, again.away, again.is_complete) == (1, {}, True)


async def test_each_server_rewrites_its_append_only_file_once(
    spread_partitions: Partitions, redis_server: RedisServer, own_redis: RedisServer
) -> None:
    await spread(spread_partitions, 3)
    servers = (redis_server, own_redis)
    for server in servers:
        with server.client() as client:
            client.config_resetstat()

    done = await forget_person(spread_partitions, person(1), TERMS, by="ann")

    assert done.append_only_file == "rewritten"
    for server in servers:
        with server.client() as client:
            assert client.info("commandstats")["cmdstat_bgrewriteaof"]["calls"] == 1
