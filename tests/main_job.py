"""The main job on any Redis: a receiver, a worker and a status page take five webhooks through."""

from __future__ import annotations

from typing import Any

from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations.status import Status, read_status
from tests.inspector.stack import TO_CRM, crm, running_receiver, running_worker, sample, wait_until_idle
from tests.receiver.serving import Served, serving
from tests.until import until


async def run_main_job(
    receiver: Settings, worker: Settings | None = None, inspector: Settings | None = None, **options: Any
) -> tuple[Status, dict[str, Any]]:
    """Run it, check its results, and return the status and the content of /readyz.

    Two events are sent, one of them twice, one body does not decode, and one event is refused by its channel.
    worker, inspector: how they connect to Redis; as the receiver does by default. options: of the receiver.
    """
    client, reader = connect(receiver), connect(inspector or receiver)
    async with (
        running_receiver() as crm_server,
        serving(client, **options) as served,
        running_worker(worker or receiver, rules=TO_CRM, channels=crm(crm_server.url)),
    ):
        readiness: dict[str, Any] | None = await until(lambda: _ready(served))
        for body in (sample(1), sample(2), sample(2), b"{"):
            assert (await served.send(body)).status == 202
        await wait_until_idle(reader)
        crm_server.status = 400
        assert (await served.send(sample(3))).status == 202
        await wait_until_idle(reader)
        status = await read_status(Partitions([reader]))
    for connected in (client, reader):
        await connected.aclose(close_connection_pool=True)
    assert (status.totals.accepted, status.totals.sent, status.totals.dead, status.dead_letters) == (5, 2, 1, 2)
    assert status.adds_up()
    return status, readiness or {}


async def _ready(served: Served) -> dict[str, Any] | None:
    reply = await served.get("/readyz")
    return reply.content if reply.status == 200 else None
