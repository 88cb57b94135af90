"""A person's data leaves every place in Redis that it lies in, and nobody else's does."""

import json

from arq.connections import ArqRedis

from broker import audit, stats
from inspector import operations
from inspector.operations import Filter, Person
from launcher.terms import terms
from sources import KINDS
from sources.settings import Settings as SourceSettings
from tests.inspector.command_line import refused_by_crm
from tests.inspector.running import accept, all_letters, sample
from tests.redis_server import RedisServer

TERMS = terms({"voucherify": SourceSettings()})


async def test_a_person_leaves_dead_letters_and_the_queue_and_the_sums_hold(
    redis_server: RedisServer, redis: ArqRedis
) -> None:
    await refused_by_crm(redis_server, redis, 1, 2)
    await accept(redis, sample(1), sample(2))
    customer = json.loads(sample(1))["data"]["customer"]["id"]
    person = Person([customer], {"voucherify": KINDS["voucherify"]})

    done = await operations.forget(redis, person, TERMS, by="ann")
    again = await operations.forget(redis, person, TERMS, by="ann")

    assert (done.letters, done.webhooks) == (1, 1)
    assert (again.letters, again.webhooks, again.repacked) == (0, 0, 0)
    assert len(await all_letters(redis)) == 1
    assert await operations.count(redis, Filter(search=customer)) == 0
    totals = await stats.read_totals(redis)
    assert totals.bodies_add_up() and totals.notifications_add_up()
    assert (totals.queued, totals.buried, totals.forgotten) == (1, 1, 2)
    assert all(customer not in str(one.deed) for one in await audit.read(redis))
