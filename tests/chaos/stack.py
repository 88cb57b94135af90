"""The parts of a run: Redis behind a proxy or a cluster, an installation to disrupt, and neighbours in the same
database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct, structs

from tests.chaos.events import OTHER_SECRET
from tests.chaos.foreign_app import ForeignApp
from tests.chaos.installation import Installation, Plan, WorkerPlan, free_ports, running_installation
from tests.chaos.proxy import TcpProxy
from tests.cluster import Cluster, clustered
from tests.redis_server import RedisServer

OTHER_NAMESPACE = "other"
_MAIN, _OTHER = "main", "other"
"""Names of the directories of the installations."""

_HOUR_S = 3600.0
_OFF_CLOCKS = (
    WorkerPlan(2),
    WorkerPlan(1, 2 * _HOUR_S),
    WorkerPlan(1, 25 * _HOUR_S),
    WorkerPlan(1, -25 * _HOUR_S),
)


class Neighbours(Struct, frozen=True):
    """Programs that share the Redis database with the installation and are independent of it."""

    other: Installation
    """An installation of Hookline in another namespace."""

    app: ForeignApp


class SingleRedis(Struct, frozen=True):
    """A Redis, and the proxy through which the installations use it."""

    server: RedisServer
    proxy: TcpProxy


class Stack(Struct, frozen=True):
    """All running parts of a run."""

    main: Installation
    """The installation to disrupt."""

    neighbours: Neighbours | None
    servers: SingleRedis | Cluster

    @property
    def installations(self) -> list[Installation]:
        return [self.main, self.neighbours.other] if self.neighbours else [self.main]


@asynccontextmanager
async def running_stack(
    directory: Path, *, spill_dir: str = "", neighbours: bool = False, partitions: int = 1
) -> AsyncIterator[Stack]:
    """Start a stack and wait until it answers; at the end, kill what is left of it.

    neighbours: with these, and with workers whose clocks are wrong.
    """
    for name in (_MAIN, _OTHER):
        (directory / name).mkdir()
    redis_port, proxy_port = free_ports(2)
    # SIGKILL loses nothing from a Redis that syncs before it replies. With appendfsync everysec, it may have
    # confirmed what it could not write yet during a sync: up to two seconds of writes would be lost.
    server = RedisServer(directory, port=str(redis_port), appendfsync="always").start()
    proxy, proxy_url = TcpProxy(proxy_port, redis_port), f"redis://127.0.0.1:{proxy_port}"
    await proxy.start()
    async with AsyncExitStack() as parts:
        parts.callback(server.kill)
        parts.push_async_callback(proxy.stop)

        async def install(name: str, plan: Plan) -> Installation:
            return await parts.enter_async_context(
                running_installation(directory / name, plan, proxy_url=proxy_url, redis_url=server.url)
            )

        plan = Plan(spill_dir=spill_dir, partitions=partitions)
        single = SingleRedis(server, proxy)
        if not neighbours:
            yield Stack(await install(_MAIN, plan), None, single)
            return
        main = await install(_MAIN, structs.replace(plan, workers=_OFF_CLOCKS))
        other = await install(
            _OTHER,
            structs.replace(
                plan, namespace=OTHER_NAMESPACE, secret=OTHER_SECRET, receivers=1, workers=(WorkerPlan(1),)
            ),
        )
        app = ForeignApp(f"redis://127.0.0.1:{redis_port}", directory)
        parts.push_async_callback(app.close)
        yield Stack(main, Neighbours(other, app), single)


@asynccontextmanager
async def running_on_cluster(directory: Path, *, partitions: int) -> AsyncIterator[Stack]:
    """Start an installation on three primaries with a replica each; at the end, kill what is left of it."""
    plan = Plan(partitions=partitions, durability="replicated")
    (directory / _MAIN).mkdir()
    with clustered(appendfsync="always") as cluster:
        await cluster.start()
        async with running_installation(
            directory / _MAIN, plan, proxy_url=cluster.url, redis_url=cluster.url
        ) as main:
            yield Stack(main, None, cluster)
