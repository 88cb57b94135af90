"""Workers over several partitions: all work is done, whichever workers come and go."""

from __future__ import annotations

from collections.abc import Callable

from broker.redis.partitions import Partitions
from tests.worker.conftest import send, webhook
from tests.worker.partitions.conftest import COUNT, all_done
from tests.worker_process import Parts, WorkerProcess

Start = Callable[..., WorkerProcess]

PARTS = Parts(partitions=COUNT)


async def test_one_worker_does_the_work_of_every_partition(partitions: Partitions, worker: Start) -> None:
    for n, redis in enumerate(partitions):
        await send(redis, *(webhook(20 * n + i) for i in range(20)))
    worker(parts=PARTS)
    assert await all_done(partitions) == 20 * COUNT
