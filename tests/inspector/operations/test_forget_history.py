"""Forgetting a person in the history of events."""

import pytest

from broker.dead_letters import StoredDeadLetter
from broker.history.query import NEWEST, Query
from broker.history.reading import read
from broker.history.records import OutcomeRecord
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from broker.steps.commit import Processed, Share, commit
from inspector.operations.forget import forget_person
from inspector.privacy.person import Person
from sources import KINDS
from tests.broker.history.test_recording import (
    NOW_MS,
    entry,
    event,
    events,
    job,
    key_of,
    settle_first,
    states,
    take_in,
)
from tests.broker.history.test_segments import seal_all
from tests.names import KEYS

ADA = Person(["Ada@Example.com"], {"voucherify": KINDS["voucherify"]})


def no_terms(_: StoredDeadLetter) -> tuple[str, ...]:
    return ()


async def take_in_other(redis: Client, name: str) -> None:
    notification = ("rule", "console", key_of(name))
    row = (NOW_MS, "voucherify", "points.added", name, [name, "eve@example.com"], [notification], "", 0)
    processed = Processed(await entry(redis, 1), 1, [event(name, Share(1, 0, 1))], [], records=[row])
    await commit(redis, [processed], [job(name)])


@pytest.mark.parametrize("sealed", [True, False])
async def test_events_of_the_person_are_removed_and_those_of_others_stay(redis: Client, *, sealed: bool) -> None:
    await take_in_other(redis, "b")
    await take_in(redis, "a")
    if sealed:
        await seal_all(redis)
    await take_in_other(redis, "c")

    done = await forget_person(Partitions([redis]), ADA, no_terms, by="ann")

    assert done.history == 1
    assert list(states(await events(redis))) == ["c", "b"]
    assert not (await events(redis, terms=frozenset(["ada@example.com"]))).events
    assert len((await events(redis, terms=frozenset(["eve@example.com"]))).events) == 2
    again = await forget_person(Partitions([redis]), ADA, no_terms, by="ann")
    assert again.history == 0


async def test_late_outcomes_of_the_person_are_removed_and_names_in_errors_of_others(redis: Client) -> None:
    await take_in(redis, "a")
    await seal_all(redis)
    await settle_first(redis, OutcomeRecord(key_of("a"), "retry", NOW_MS, text="no ada@example.com"))
    await take_in_other(redis, "b")
    await settle_first(redis, OutcomeRecord(key_of("b"), "retry", NOW_MS, text="like ada@example.com"))

    done = await forget_person(Partitions([redis]), ADA, no_terms, by="ann")

    assert (done.history, done.redacted) == (1, 1)
    [left] = (await events(redis)).events
    assert left.notifications[0].outcomes[0].text == "like (forgotten)"
    for key in await redis.keys(KEYS.history_segment + "*"):
        assert b"ada@example.com" not in b"".join((await redis.hgetall(key)).values())


async def test_an_erased_event_is_not_shown_in_a_scan(redis: Client) -> None:
    await take_in(redis, "a")
    await forget_person(Partitions([redis]), ADA, no_terms, by="ann")
    assert not (await read(redis, Query(), before=NEWEST, limit=9, budget_s=9)).events


async def test_the_name_of_an_event_that_names_the_person_is_replaced_everywhere(redis: Client) -> None:
    row = (NOW_MS, "voucherify", "of.ada@example.com", "b", ["b"], (), "", 0)
    processed = Processed(await entry(redis, 1), 1, [event("b")], [], records=[row])
    await commit(redis, [processed], [])

    done = await forget_person(Partitions([redis]), ADA, no_terms, by="ann")

    assert done.redacted == 1
    [left] = (await events(redis, event="of.(forgotten)")).events
    assert left.event.event == "of.(forgotten)"
    assert b"ada@example.com" not in b"".join((await redis.hgetall(KEYS.history_segments)).values())
