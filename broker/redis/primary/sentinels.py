"""Asks the sentinels for the address of the primary."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from broker.redis.connection_pool import HostConnection
from broker.redis.redis_url import Host
from runtime.task_cancellation import cancel_and_wait


class SentinelReport(Struct, frozen=True):
    """The state of the primary as one sentinel reports it."""

    epoch: int
    """The number of the failover that chose this primary. The highest number is the newest."""

    is_down: bool
    """True if this sentinel considers the primary down."""

    primary: Host


class Sentinels:
    """The sentinels of one primary. They are asked before each new connection, each over a short connection."""

    def __init__(
        self, hosts: tuple[Host, ...], name: str, *, timeout_s: float, options: Mapping[str, Any]
    ) -> None:
        """name: of the primary. timeout_s: for all sentinels together. options: of the connections to them."""
        self.primary: Host | None = None
        self._hosts = hosts
        self._name = name
        self._timeout_s = timeout_s
        self._options = options

    async def find(self) -> Host:
        """Return the address of the primary in the newest report of a majority of the sentinels.

        If fewer sentinels respond in time, the newest report of these is used. Raises redis-py's ConnectionError,
        or TimeoutError if no sentinel responds in time.
        """
        # The first response is not enough: a sentinel that is cut off from the others may name an old primary.
        asking = [asyncio.create_task(self._ask(host)) for host in self._hosts]
        try:
            reports, faults = await self._collect(asking)
        finally:
            await cancel_and_wait(asking)
        if not reports and len(faults) < len(asking):
            raise TimeoutError
        if not reports:
            raise RedisConnectionError(f"no sentinel knows the address of {self._name}: {'; '.join(faults)}")
        newest = max(reports, key=lambda report: (report.epoch, not report.is_down))
        if newest.is_down:
            host, port = newest.primary
            raise RedisConnectionError(f"the sentinels report that {self._name} ({host}:{port}) is down")
        self.primary = newest.primary
        return newest.primary

    async def _collect(
        self, asking: list[asyncio.Task[SentinelReport | str]]
    ) -> tuple[list[SentinelReport], list[str]]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        reports: list[SentinelReport] = []
        faults: list[str] = []
        pending = set(asking)
        while pending and len(reports) <= len(asking) // 2:
            done, pending = await asyncio.wait(
                pending, timeout=max(0, deadline - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for answer in (task.result() for task in done):
                reports.append(answer) if isinstance(answer, SentinelReport) else faults.append(answer)
        return reports, faults

    async def _ask(self, host: Host) -> SentinelReport | str:
        connection = HostConnection(host=host[0], port=host[1], **self._options)
        try:
            await connection.connect()
            await connection.send_command("SENTINEL", "MASTER", self._name)
            return _report(await connection.read_response())
        except (RedisError, OSError) as error:
            return f"{host[0]}:{host[1]}: {error}"
        finally:
            await connection.disconnect(nowait=True)


def _report(answer: list[bytes]) -> SentinelReport:
    facts = dict(zip(answer[::2], answer[1::2], strict=True))
    flags = facts[b"flags"].split(b",")
    return SentinelReport(
        epoch=int(facts[b"config-epoch"]),
        is_down=b"s_down" in flags or b"o_down" in flags,
        primary=(facts[b"ip"].decode(), int(facts[b"port"])),
    )
