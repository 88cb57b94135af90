"""The way of a webhook on every server that Hookline supports and this machine has."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from broker.redis.server.facts import read_facts
from inspector.operations import bulk_actions
from inspector.operations.filters import Filter
from tests.inspector.stack import (
    TO_CRM,
    all_letters,
    crm,
    run_action,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.receiver.serving import serving
from tests.redis_server import RedisServer
from tests.servers import SERVERS, server_path

WITH_WAITAOF = (7, 2)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory), binary=server_path(request.param), appendfsync="everysec").start()
        yield server
        server.kill()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Client]:
    client = connect(Settings(url=server.url))
    yield client
    await client.aclose(close_connection_pool=True)


async def test_webhooks_are_accepted_deduplicated_notified_and_replayed(
    server: RedisServer, client: Client
) -> None:
    async with running_receiver() as crm_server:
        async with serving(client) as served:
            for body in (sample(1), sample(2), sample(2), b'{"customer":'):
                assert (await served.send(body)).status == 202
        async with running_worker(server, rules=TO_CRM, channels=crm(crm_server.url)):
            first = await wait_until_idle(client)
            assert (first.accepted, first.processed, first.duplicate, first.dead_at_intake) == (4, 2, 1, 1)
            assert (first.created, first.sent) == (2, 2)

            crm_server.status = 400
            async with serving(client) as served:
                assert (await served.send(sample(3))).status == 202
            assert (await wait_until_idle(client)).dead == 1

        server.stop()
        server.start()

        crm_server.status = 200
        await run_action(client, "replay", await bulk_actions.select(Partitions([client]), Filter(stage="notify")))
        async with running_worker(server, rules=TO_CRM, channels=crm(crm_server.url)):
            last = await wait_until_idle(client)

    assert (last.accepted, last.processed, last.sent, last.dead, last.replayed) == (5, 3, 3, 0, 1)
    assert last.bodies_add_up() and last.notifications_add_up()
    assert len(await all_letters(client)) == 1
    assert len(crm_server.received) == 4


async def test_fsync_is_given_or_refused_with_what_is_missing(client: Client) -> None:
    facts = await read_facts(client)

    async with serving(client, durability="fsync") as served:
        ready, sent = await served.get("/readyz"), await served.send(sample(1))

    if facts.version >= WITH_WAITAOF:
        assert (ready.status, sent.status) == (200, 202)
        return
    assert (ready.status, sent.status) == (503, 503)
    assert f'durability "fsync" needs appendfsync always on {facts.name()}' in " ".join(ready.content["reasons"])
