"""The history of events, as real workers record it."""

import json
from collections.abc import Callable

from aiohttp import web

from broker import dead_letters
from broker.history.query import NEWEST, Query, TracedEvent
from broker.history.reading import read
from broker.merged.history import read_events
from broker.redis.client import Client
from broker.redis.connection import Settings
from broker.redis.partitions import connect_all
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import Parts, WorkerProcess
from worker.rules.rules import DigestSettings, Rule

Start = Callable[..., WorkerProcess]


async def history(redis: Client, term: str = "") -> list[TracedEvent]:
    query = Query(terms=frozenset([term] if term else []))
    return list((await read(redis, query, before=NEWEST, limit=1000, budget_s=9)).events)


async def settled(redis: Client) -> list[TracedEvent]:
    await wait_until_idle(redis)
    return await history(redis)


async def test_each_notification_has_its_outcome(redis: Client, sink: Sink, worker: Start) -> None:
    await send(redis, webhook(1), webhook(2), webhook(1))
    worker()
    events = await settled(redis)
    assert [sorted(traced.states(())) for traced in events] == [["duplicate"], ["sent"], ["sent"]]
    [notification] = events[1].notifications
    assert (notification.rule, notification.channel) == ("points-added", "sink")
    assert notification.key in sink.times
    [outcome] = notification.outcomes
    assert (outcome.kind, outcome.status) == ("sent", 204)


async def test_an_event_is_found_by_each_id_that_people_know(redis: Client, worker: Start) -> None:
    await send(redis, webhook(1), webhook(2))
    worker()
    [_, first] = await settled(redis)
    terms = [first.event.id, "crm-00000001", "member1@example.com", first.notifications[0].key]
    assert first.event.id.startswith("ev_")
    assert first.about == json.loads(webhook(1))["data"]["customer"]["id"]
    for term in terms:
        assert [traced.position for traced in await history(redis, term)] == [first.position], term


async def test_a_dead_letter_names_its_customer_and_no_address_or_name(redis: Client, worker: Start) -> None:
    anonymous = b'{"id": "order-7", "email": "ada@example.com", "phone": "+49 30 1234567", "source_id": "ada"'
    digits = b'{"customer": {"id": "4930123456789"}, "user": "ada", '
    await send(redis, webhook(1)[:-20], anonymous, digits)
    worker()
    await wait_until_idle(redis)
    about = {letter.about for letter in await dead_letters.newest(redis)}
    assert about == {json.loads(webhook(1))["data"]["customer"]["id"], ""}


async def test_each_attempt_is_shown_until_it_dies(redis: Client, sink: Sink, worker: Start) -> None:
    sink.answer = lambda _n, times: web.Response(status=503 if times < 3 else 404)
    await send(redis, webhook(1))
    worker()
    [traced] = await settled(redis)
    outcomes = traced.notifications[0].outcomes
    assert [(outcome.kind, outcome.status) for outcome in outcomes] == [
        ("retry", 503),
        ("retry", 503),
        ("dead", 404),
    ]
    assert outcomes[0].next_ms >= outcomes[0].at_ms
    [letter] = await dead_letters.newest(redis)
    assert outcomes[2].letter == letter.id


async def test_a_body_that_cannot_be_decoded_shows_its_dead_letter(redis: Client, worker: Start) -> None:
    await send(redis, b"not json")
    worker()
    [traced] = await settled(redis)
    [letter] = await dead_letters.newest(redis)
    assert (traced.event.letter, traced.states(())) == (letter.id, {"dead"})


async def test_an_event_shows_the_rules_that_matched_it(redis: Client, worker: Start) -> None:
    quiet = Rule(name="never", events=("*",), channel="sink", text="x", when="balance.points > 1000000")
    every = Rule(name="every", events=("*",), channel="sink", text="x")
    await send(redis, webhook(1))
    worker(parts=Parts(rules=(quiet, every)))
    [traced] = await settled(redis)
    assert [notification.rule for notification in traced.notifications] == ["every"]


async def test_the_notification_of_a_digest_is_found_by_a_member(redis: Client, worker: Start) -> None:
    together = DigestSettings(key="customer.name and 'all'", window="1s")
    await send(redis, webhook(1), webhook(2))
    worker(parts=Parts(rules=(Rule(name="together", events=("*",), channel="sink", text="x", digest=together),)))

    async def closed() -> list[TracedEvent] | None:
        events = await history(redis)
        return events if len(events) == 3 and events[0].states(()) == {"sent"} else None

    [digest, _, first] = await until(closed)
    assert (digest.event.members, first.states(())) == (2, {"digest"})
    found = await history(redis, first.notifications[0].key)
    assert [traced.position for traced in found] == [digest.position, first.position]


async def test_with_many_partitions_each_event_is_recorded_once(redis_server: RedisServer, worker: Start) -> None:
    partitions = connect_all(Settings(url=redis_server.url, partitions=16))
    await send(partitions[3], *map(webhook, range(20)), webhook(1))
    worker(parts=Parts(partitions=16))

    async def all_sent() -> bool:
        page = await read_events(partitions, Query(), before=NEWEST, limit=100, budget_s=9)
        found = sorted(", ".join(traced.states(())) for traced in page.events)
        return found == ["duplicate"] + ["sent"] * 20

    await until(all_sent)
    await partitions.aclose()
