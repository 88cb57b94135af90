"""Forgetting a person removes their data from every key in Redis, and no data of other people."""

import asyncio
import json
import time

import msgspec
import pytest

from broker import dead_letters
from broker.dead_letters import stored_actions
from broker.erasure import letter_rewrites, queued_work
from broker.monitoring import audit, stats
from broker.queue import dedupe, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from broker.steps import digest_windows, digests
from broker.steps.commit import NewEvent, Processed, Share, commit
from broker.steps.digest_windows import ClosedWindow
from broker.steps.digests import Gathered, Part
from broker.steps.window_reader import WindowReader, read_windows
from inspector.operations import bulk_actions, search
from inspector.operations.filters import Filter
from inspector.operations.forget import forget_person
from inspector.privacy.person import Person
from launcher.composition.dead_letter_terms import terms
from sources import KINDS
from sources.settings import Settings as SourceSettings
from tests.digest_windows import close_windows, digest_keys, waiting_keys
from tests.inspector.cli.command_line import refused_by_crm
from tests.inspector.stack import (
    TO_CRM,
    accept,
    add_stored,
    all_letters,
    crm,
    make_dead_letters,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.names import KEYS
from tests.redis_server import RedisServer

NOW_MS = time.time_ns() // 1_000_000
TERMS = terms({"voucherify": SourceSettings()})


async def test_a_person_leaves_dead_letters_and_the_queue_and_the_sums_hold(
    redis_server: RedisServer, redis: Client
) -> None:
    await refused_by_crm(redis_server, redis, 1, 2)
    await accept(redis, sample(1), sample(2))
    customer = json.loads(sample(1))["data"]["customer"]["id"]
    person = Person([customer], {"voucherify": KINDS["voucherify"]})

    done = await forget_person(Partitions([redis]), person, TERMS, by="ann")
    again = await forget_person(Partitions([redis]), person, TERMS, by="ann")

    assert (done.letters, done.webhooks) == (1, 1)
    assert (again.letters, again.webhooks, again.repacked) == (0, 0, 0)
    assert len(await all_letters(redis)) == 1
    assert await search.count(Partitions([redis]), Filter(search=customer)) == 0
    totals = await stats.read_totals(redis)
    assert totals.bodies_add_up() and totals.notifications_add_up()
    assert (totals.queued, totals.dead_at_intake, totals.forgotten) == (1, 1, 2)
    assert all(customer not in str(row.audit_entry) for row in await audit.read(redis))


def person_of(number: int) -> Person:
    customer = json.loads(sample(number))["data"]["customer"]["id"]
    return Person([customer], {"voucherify": KINDS["voucherify"]})


def body(number: int) -> RawBody:
    return RawBody(NOW_MS, "voucherify", "", sample(number))


async def waiting(redis: Client, *numbers: int, digest: bool = False) -> str:
    """Enqueue a job with one notification for each body, or with one digest of all. Returns the id of the job."""
    await stream.create_group(redis)
    await accept(redis, *(sample(number) for number in numbers))
    [entry] = await stream.read(redis, "me", count=1, block_ms=100)
    marks = [
        dedupe.mark("voucherify", f"{number}", occurred_at_ms=NOW_MS, window_ms=7 * dedupe.DAY_MS)
        for number in numbers
    ]
    if digest:
        events = [NewEvent(mark, []) for mark in marks]
        parts = [
            Part(place, "d0" * 12, Gathered(f"k{number}", "r", ("mail",), 60_000, "e", NOW_MS, body(number)))
            for place, number in enumerate(numbers)
        ]
        await commit(redis, [Processed(entry.id, len(numbers), events, [], parts)], [])
        return ""
    events = [NewEvent(mark, [Share(1, place, 1)]) for place, mark in enumerate(marks)]
    notifications = [Notification(f"k{number}", "r", "e", body(number)) for number in numbers]
    await commit(
        redis,
        [Processed(entry.id, len(numbers), events, [])],
        [NotifyJob("crm", 1, NOW_MS, notifications)],
    )
    [name] = await redis.zrange(KEYS.queue, 0, -1)
    return str(name.decode())


async def numbers_in(redis: Client, name: str) -> list[str]:
    job = jobs.decode(jobs.deserialize(await jobs.raw(redis, name))["a"][0])
    return [notification.key for notification in job.notifications]


async def test_a_notification_leaves_its_job_and_what_is_settled_stays_so(redis: Client) -> None:
    name = await waiting(redis, 1, 2, 3)
    await redis.sadd(KEYS.done + name, 2)  # the third was sent
    await redis.hincrby(KEYS.stats_total, "sent", 1)
    await redis.hincrby(KEYS.stats_total, "waiting", -1)

    done = await forget_person(Partitions([redis]), person_of(1), TERMS, by="ann")

    assert done.notifications == 1 and done.is_complete
    [heir] = [name.decode() for name in await redis.zrange(KEYS.queue, 0, -1)]
    assert await numbers_in(redis, heir) == ["k2", "k3"]
    assert jobs.size_of(heir) == 2
    assert await jobs.settled_indices(redis, heir) == {1}
    assert not await redis.exists(KEYS.job + name, KEYS.done + name)
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.dead, totals.waiting, totals.forgotten) == (3, 1, 1, 1)
    assert totals.notifications_add_up()


async def test_a_held_job_stays_held_and_a_running_one_is_left_and_reported(redis: Client) -> None:
    name = await waiting(redis, 1, 2)
    await redis.zrem(KEYS.queue, name)
    await redis.zadd(KEYS.held_jobs + "crm", {name: 5})
    await redis.set(KEYS.in_progress + name, "worker", px=60_000)

    running = await forget_person(Partitions([redis]), person_of(1), TERMS, by="ann")
    assert (running.notifications, running.busy) == (0, [f"job {name}"])
    assert await numbers_in(redis, name) == ["k1", "k2"]

    await redis.delete(KEYS.in_progress + name)
    assert (await forget_person(Partitions([redis]), person_of(1), TERMS, by="ann")).notifications == 1
    [(heir, since)] = await redis.zrange(KEYS.held_jobs + "crm", 0, -1, withscores=True)
    assert since == 5 and await numbers_in(redis, heir.decode()) == ["k2"]
    assert await redis.zcard(KEYS.queue) == 0


async def test_an_event_is_removed_from_its_digest_and_a_worker_that_had_read_it_loses_none(redis: Client) -> None:
    await waiting(redis, 1, 2, 3, digest=True)
    [window], reader = await read_windows(redis), WindowReader(redis)
    read = await reader.contents(window)

    done = await forget_person(Partitions([redis]), person_of(2), TERMS, by="ann")

    assert done.digested == 1
    await redis.zadd(KEYS.digests_ends, dict.fromkeys(await redis.zrange(KEYS.digests_ends, 0, -1), 1))
    claim = await digest_windows.claim(redis, "worker", most=10, lease_ms=60_000)
    closed = [ClosedWindow(window, read.taken, 1) for window in claim.windows]
    assert not await digest_windows.close(redis, closed, reader.used, [], {}), "an event was removed meanwhile"
    assert await waiting_keys(redis) == ["k1", "k3"]
    for number in (1, 3):
        await forget_person(Partitions([redis]), person_of(number), TERMS, by="ann")
    assert await waiting_keys(redis) == []
    await redis.delete(*await redis.keys(KEYS.digests_lease + "*"))
    await close_windows(redis)
    assert (await digest_keys(redis), await redis.zcard(KEYS.queue)) == ([], 0)
    totals = await stats.read_totals(redis)
    assert (totals.created, totals.dead, totals.waiting, totals.forgotten) == (1, 1, 0, 1)
    assert totals.notifications_add_up()


async def test_a_batch_that_a_worker_has_is_left_and_reported(redis: Client) -> None:
    await stream.create_group(redis)
    await accept(redis, sample(1), sample(2))
    [entry] = await stream.read(redis, "me", count=1, block_ms=100)

    done = await forget_person(Partitions([redis]), person_of(1), TERMS, by="ann")

    assert (done.webhooks, done.busy, done.is_complete) == (0, [f"batch {entry.id}"], False)
    assert (await stats.read_totals(redis)).queued == 2


async def test_letters_of_others_that_were_packed_against_the_persons_no_longer_are(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(4), sample(5), sample(6), source="absent-else")
    letters = {letter.id: await search.get(Partitions([redis]), letter.id) for letter in await all_letters(redis)}
    assert await redis.hlen(KEYS.dead_dicts) == 1

    done = await forget_person(Partitions([redis]), person_of(4), TERMS, by="ann")

    assert done.letters == 1 and done.repacked >= 2 and not done.is_complete
    assert await redis.hlen(KEYS.dead_dicts) == 0
    left = await all_letters(redis)
    assert len(left) == 2
    for letter in left:
        assert await search.get(Partitions([redis]), letter.id) == letters[letter.id]


async def test_notes_and_filters_that_name_the_person_are_removed_and_such_a_filter_finds_nothing(
    redis_server: RedisServer, redis: Client
) -> None:
    [letter] = await refused_by_crm(redis_server, redis, 2)
    customer = json.loads(sample(1))["data"]["customer"]["id"]
    for text in ("keep this", f"asked {customer}"):
        await acted_note(redis, letter, text)
    chosen = await bulk_actions.select(Partitions([redis]), Filter(search=customer))
    action = await bulk_actions.begin(Partitions([redis]), "discard", chosen, by="ann", owner="me")

    done = await forget_person(Partitions([redis]), person_of(1), TERMS, by="ann")

    assert (done.letters, done.notes) == (0, 1)
    stored_letter = await search.get(Partitions([redis]), letter)
    assert stored_letter and [note.text for note in stored_letter.notes] == ["keep this"]
    stored_action = await stored_actions.read(redis, action)
    assert stored_action and stored_action.request.wanted["search"] == "(forgotten)"
    _ = [step async for step in bulk_actions.run(Partitions([redis]), action, owner="me")]
    assert len(await all_letters(redis)) == 1


async def acted_note(redis: Client, letter: str, text: str) -> None:
    await dead_letters.annotate(redis, [letter], dead_letters.Note(NOW_MS, "ann", text))


async def test_workers_that_run_meanwhile_lose_nothing_of_others(redis_server: RedisServer, redis: Client) -> None:
    async with running_receiver() as taking, running_worker(redis_server, rules=TO_CRM, channels=crm(taking.url)):
        for start in range(10, 130, 8):
            await accept(redis, *(sample(number) for number in range(start, start + 8)))
            await forget_person(Partitions([redis]), person_of(50), TERMS, by="ann")
        totals = await wait_until_idle(redis)
    assert totals.bodies_add_up() and totals.notifications_add_up()
    assert totals.accepted == 120
    assert totals.sent + totals.forgotten == 120 and totals.sent >= 119


@pytest.mark.parametrize("name", ["", "ab", "a\nbcdef"])
def test_a_name_that_would_match_too_much_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="at least 4"):
        Person([name], {})


def test_a_json_key_with_the_name_does_not_match() -> None:
    person = Person(["customer"], {})
    assert not person.is_in(b'{"customer": {"id": 1}}')
    assert person.is_in(b'{"id":"customer"}') and person.is_in(rb'{"raw":"{\"id\":\"Customer\"}"}')


def dead_digest(*numbers: int) -> dead_letters.StoredDeadLetter:
    members = [
        digests.Member("e", "voucherify", NOW_MS, NOW_MS, msgspec.Raw(sample(number))) for number in numbers
    ]
    read_with_bodies = RawBody(NOW_MS, "voucherify", "", msgspec.json.encode(members))
    return dead_letters.died_at_notify(
        Notification("k", "r", "e", read_with_bodies, digest=True),
        "crm",
        reason="permanent",
        error="no",
        error_class="E",
    )


async def test_several_people_forgotten_at_the_same_time_are_all_removed_from_a_shared_digest(
    redis: Client,
) -> None:
    stored_letter = dead_digest(1, 2, 3, 4)
    await add_stored(redis, [stored_letter])

    people = [person_of(number) for number in (1, 2, 3)]
    done = await asyncio.gather(
        *(forget_person(Partitions([redis]), person, TERMS, by="ann") for person in people)
    )

    left = await search.get(Partitions([redis]), stored_letter.letter.id)
    assert left is not None
    assert [person_of(number).is_in(left.body) for number in (1, 2, 3, 4)] == [False, False, False, True]
    assert [result.digested for result in done] == [1, 1, 1]


async def test_a_concurrent_change_is_not_overwritten_when_letters_are_repacked(redis: Client) -> None:
    first, other = dead_digest(1, 2), dead_digest(1, 2)
    await add_stored(redis, [first, other])
    [dictionary] = await letter_rewrites.dictionaries(redis, lambda _: True)
    letter, *_ = [
        row.id for row in await dead_letters.read_rows(redis, [first.letter.id, other.letter.id]) if row.dictionary
    ]
    seen = await letter_rewrites.seen(redis, [letter])
    read = await dead_letters.get(redis, letter)
    assert read is not None

    stay, _ = queued_work.others(read.body, person_of(1))
    assert await letter_rewrites.replace_dead_letter(
        redis, dead_letters.StoredDeadLetter(read.letter, stay), seen[letter]
    )

    now = await dead_letters.get(redis, letter)
    assert now is not None and now.body == stay
    assert not await letter_rewrites.replace_dead_letter(redis, read, seen[letter])
    assert await letter_rewrites.repack(redis, dictionary, [read], seen) == 1, (
        "the result shows that there is more to do"
    )
    assert await dead_letters.get(redis, letter) == now
    seen = await letter_rewrites.seen(redis, [letter])
    assert await letter_rewrites.repack(redis, dictionary, [now], seen) == 1
    [row] = await dead_letters.read_rows(redis, [letter], with_bodies=True)
    assert (row.body, row.dictionary) == (stay, "")
