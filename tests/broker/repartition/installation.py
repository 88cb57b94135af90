"""An installation with data of every kind, and what must be true of it after its data has moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import Note, died_at_notify
from broker.monitoring import stats
from broker.namespace import layout
from broker.namespace.layout import Move
from broker.queue import channel_state, claims, dedupe, jobs, latest_only, stream
from broker.queue.batch import RawBody
from broker.redis.confirmation import Confirmation
from broker.redis.connection import Settings as RedisSettings
from broker.redis.keys import LATEST_TTL_S
from broker.redis.partitions import Partitions, connect_all
from broker.repartition.confirmations import Durability
from broker.repartition.run import Orders, needed, repartition
from broker.steps.settle import Settled
from broker.steps.window_reader import WindowReader, read_windows
from launcher.composition.dead_letter_terms import buckets, terms
from sources import KINDS
from sources.settings import Settings as SourceSettings
from tests.key_check import undeclared
from tests.settling import settle
from tests.worker.dated_events import points_added
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.rules.rules import DigestSettings, Rule, RuleBook
from worker.search_terms import terms_of
from worker.settings import Settings
from worker.worker_source import WorkerSource

BODIES = 60
EVERY = 3
"""One notification of so many is a dead letter."""

SOURCES = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
CONFIG = {"voucherify": SourceSettings()}
RULES = (
    Rule(name="each", events=("*",), channel="console"),
    Rule(name="together", events=("*",), channel="mail", digest=DigestSettings(window="1h", key="customer.id")),
)
SUBJECTS = [latest_only.subject_id("voucherify", "balance", "crm", f"v_{number}") for number in range(20)]
NOTE = Note(1, "ann", "wrong address")


class Digest(Struct, frozen=True):
    """A digest as Redis has it."""

    events: Sequence[str]
    ends_ms: float
    counted: int


class Facts(Struct, frozen=True):
    """Everything that a move must keep, whichever partition has it."""

    totals: stats.Totals
    identities: dict[str, tuple[str, int]]
    """By member: the name of its set without prefix, and the minute in which the set expires."""

    digests: dict[str, Digest]
    subjects: dict[str, int]
    letters: dict[str, int]
    """When each dead letter died."""

    to_retry: set[str]
    jobs: set[str]


def settings_of(url: str, partitions: int) -> RedisSettings:
    return RedisSettings(url=url, partitions=partitions)


def body(number: int) -> RawBody:
    return RawBody(
        int(time.time() * 1000),
        "voucherify",
        "",
        points_added(number, customer=f"customer-{number % 9}", at_s=number),
    )


async def process(partitions: Partitions, bodies: Sequence[RawBody]) -> None:
    """Take bodies through the intake of a worker, spread over all partitions."""
    planner = Planner(SOURCES, RuleBook(RULES), max_deliveries=3)
    for client in partitions:
        await stream.create_group(client)
        mine = list(bodies[client.partition :: len(partitions)])
        if mine:
            await stream.append(client, mine, Confirmation())
        intake = Intake(client, planner, Settings(), consumer="worker", partitions=partitions)
        while entries := await stream.read(client, "worker", count=10, block_ms=1):
            await intake.process(entries)


async def deliver(partitions: Partitions) -> None:
    """Send the notifications that wait; each EVERY-th becomes a dead letter."""
    count = 0
    for client in partitions:
        for claimed in (await claims.claim(client, "worker", count=100, lease_ms=60_000)).jobs:
            [packed] = jobs.deserialize(claimed.blob)["a"]
            outcomes = []
            for index, notification in enumerate(jobs.decode(packed).notifications):
                count += 1
                if count % EVERY:
                    outcomes.append(Settled(index, "sent"))
                    continue
                letter = died_at_notify(
                    notification,
                    "console",
                    reason="permanent",
                    error="refused",
                    error_class="Refused",
                    terms=terms_of(notification, KINDS),
                )
                outcomes.append(Settled(index, "dead", letter))
            await settle(client, "worker", claimed.id, outcomes)


async def fill(partitions: Partitions) -> None:
    """Make data of every kind, with the code of a worker."""
    await process(partitions, [body(number) for number in range(BODIES)])
    await process(partitions, [RawBody(1, "voucherify", "", b"{")])
    await deliver(partitions)
    await process(partitions, [body(number) for number in range(BODIES, BODIES + 5)])  # their jobs wait
    for number, subject in enumerate(SUBJECTS):
        home = partitions[partitions.number_for(subject)]
        await home.hset(home.names.latest + subject, "at", 1000 + number)
        await home.expire(home.names.latest + subject, LATEST_TTL_S)
    noted = (await dead_letters.newest(partitions.control, count=1))[0]
    await dead_letters.annotate(partitions.control, [noted.id], NOTE)
    for client in partitions:
        await client.set(client.names.layout, len(partitions), nx=True)
        await channel_state.pause(client, "mail", by="ann")


async def facts(partitions: Partitions) -> Facts:
    """Read what a move must keep. Fails where something is twice, or in a partition that is not its home."""
    found = Facts(await total(partitions), {}, {}, {}, {}, set(), set())
    for client in partitions:
        prefix = client.names.prefix
        async for name in client.scan_iter(match=f"{prefix}dedupe:*"):
            key = name.decode()[len(prefix) :]
            assert partitions.home_of(int(key.rpartition(":")[2])) == client.partition
            minute = round(time.time() / 60 + await client.pttl(name) / 60_000)
            for member in await client.smembers(name):
                assert found.identities.setdefault(member.decode(), (key, minute)) == (key, minute)
        reader = WindowReader(client)
        for window in await read_windows(client):
            digest_id = window.digest.hex()
            assert partitions.number_for(digest_id) == client.partition
            assert digest_id not in found.digests
            events = [event.key for event in (await reader.contents(window)).events]
            ends_ms = await client.zscore(client.names.digests_ends, window.group or window.events[0][0])
            found.digests[digest_id] = Digest(events, ends_ms, window.channels)
        async for name in client.scan_iter(match=f"{client.names.latest}*"):
            subject = name.decode()[len(client.names.latest) :]
            assert partitions.number_for(subject) == client.partition
            found.subjects[subject] = int(await client.hget(name, "at"))
        for letter, died_ms in await client.zrange(client.names.dead_index, 0, -1, withscores=True):
            assert letter.decode() not in found.letters
            found.letters[letter.decode()] = int(died_ms)
        found.to_retry.update(name.decode() for name in await client.smembers(client.names.dead_to_retry))
        found.jobs.update(name.decode() for name in await client.zrange(client.names.queue, 0, -1))
    return found


async def total(partitions: Partitions) -> stats.Totals:
    """Add up the counters, after a check that both sums hold in each partition."""
    each = [await stats.read_totals(client) for client in partitions]
    assert all(totals.bodies_add_up() and totals.notifications_add_up() for totals in each), each
    names = [name for name in stats.Totals.__struct_fields__ if name != "refused"]
    return stats.Totals(**{name: sum(getattr(totals, name) for totals in each) for name in names})


async def letters_at_home(partitions: Partitions) -> None:
    """Fail unless each dead letter of a notification is found by its identity in the home of the event."""
    bucket_of = buckets(CONFIG)
    for client in partitions:
        for letter in await dead_letters.newest(client, count=1000):
            stored = await dead_letters.get(client, letter.id)
            assert stored is not None
            bucket = bucket_of(stored)
            if bucket is None:
                continue
            assert partitions.home_of(bucket) == client.partition
            [term] = [term for term in terms(CONFIG)(stored) if term.startswith("seen:")]
            assert letter.id in [row.id for row in await dead_letters.search(client, term, count=10)]


async def redeliver(partitions: Partitions) -> tuple[int, int]:
    """Deliver every webhook again. Returns how many were duplicates, and how many dead ones are retried."""
    before = await total(partitions)
    await process(partitions, [body(number) for number in range(BODIES + 5)])
    after = await total(partitions)
    assert after.created == before.created
    return (
        after.duplicate - before.duplicate,
        after.retried_on_redelivery - before.retried_on_redelivery,
    )


def orders(
    owner: str = "me",
    *,
    lease_s: float = 15.0,
    durability: Durability = Durability(),  # noqa: B008 - frozen
    report: Callable[[str, int], None] = lambda _kind, _count: None,
) -> Orders:
    return Orders(
        owner=owner,
        bucket_of=buckets(CONFIG),
        terms=terms(CONFIG),
        durability=durability,
        report=report,
        lease_s=lease_s,
    )


async def change(url: str, count: int) -> Move | None:
    """Move the data to `count` partitions. Returns the move; None if there was nothing to do."""
    settings = settings_of(url, count)
    move = await needed(settings)
    if move:
        await repartition(settings, move, orders())
    return move


async def leftovers(partitions: Partitions) -> list[str]:
    """Return the keys of a move that are left."""
    return [
        name.decode() for client in partitions for name in await client.keys(f"{client.names.prefix}repartition*")
    ]


def connected(url: str, count: int) -> Partitions:
    return connect_all(settings_of(url, count))


def members() -> set[str]:
    """Return the members of all identities of `fill`."""
    found = set()
    for number in range(BODIES + 5):
        raw = body(number)
        event = KINDS["voucherify"].decode(raw.body, "")
        found.add(
            dedupe.mark("voucherify", event.identity, occurred_at_ms=event.occurred_at_ms, window_ms=0).member
        )
    return found


async def check(partitions: Partitions, before: Facts) -> None:
    """Everything that there was is there, once and at home, and nothing of the move is left."""
    after = await facts(partitions)
    assert after == before
    assert set(after.identities) == members()
    await letters_at_home(partitions)
    for client in partitions:
        assert await layout.read(client) == str(len(partitions))
        [channel] = await channel_state.read_channels(client)
        assert (channel.name, channel.paused_since_ms > 0) == ("mail", True)
        assert await undeclared(client) == []
    assert await leftovers(partitions) == []
