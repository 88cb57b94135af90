"""Other programs on the same Redis database: each keeps to its own."""

from collections.abc import Callable
from typing import Any

from arq.connections import ArqRedis
from arq.constants import default_queue_name, job_key_prefix
from arq.worker import Worker, func

from broker.monitoring import stats
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import Parts, WorkerProcess

Start = Callable[..., WorkerProcess]


async def test_an_arq_application_and_hookline_run_their_own_jobs_alone(
    redis: Client, redis_server: RedisServer, worker: Start
) -> None:
    ran: list[str] = []

    async def send_invoice(ctx: dict[str, Any]) -> None:
        ran.append(ctx["job_id"])

    theirs = ArqRedis.from_url(redis_server.url)
    ids = {f"invoice-2026.{number}" for number in range(5)}
    for job_id in ids:
        await theirs.enqueue_job("send_invoice", _job_id=job_id)
    process = worker()
    await send(redis, *(webhook(n) for n in range(20)))
    assert (await wait_until_idle(redis)).sent == 20
    process.stop()
    await send(redis, *(webhook(n) for n in range(20, 30)))
    assert await redis.zcard(default_queue_name) == len(ids) == len(await redis.keys(job_key_prefix + "*"))

    app = Worker(functions=[func(send_invoice, name="send_invoice")], redis_pool=theirs, burst=True, poll_delay=0)
    await app.main()
    await theirs.aclose(close_connection_pool=True)

    assert set(ran) == ids
    assert (app.jobs_complete, app.jobs_failed) == (len(ids), 0)
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead) == (30, 0)
    assert not [key for key in await redis.keys() if not key.startswith((KEYS.prefix.encode(), b"arq:"))]


async def test_two_namespaces_on_one_database_are_independent(
    redis: Client, redis_server: RedisServer, sink: Sink, worker: Start
) -> None:
    other = connect(Settings(url=redis_server.url, namespace="other"))
    await send(redis, *(webhook(n) for n in range(10)))
    await send(other, *(webhook(n) for n in range(3)))
    worker(parts=Parts(namespace="other"))
    assert (await wait_until_idle(other)).sent == 3
    assert (await stats.read_totals(redis)).queued == 10
    worker()
    assert (await wait_until_idle(redis)).sent == 10
    await until(lambda: len(sink.got) == 13)
    await other.aclose()
