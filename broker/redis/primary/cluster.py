"""Finds the node of a Redis Cluster that serves the keys of a client.

All keys of a client begin with the prefix of its partition, which is a hash tag, so they are in one slot. The
client needs only the primary of this slot. It uses this node like any other Redis, and finds the primary again
after a failover or an operator has moved the slot to another node.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from broker.redis.connection_pool import HostConnection
from broker.redis.error_reasons import SLOT_AWAY, SLOT_BEING_MOVED, SLOT_MOVED
from broker.redis.redis_url import Host
from runtime.task_cancellation import cancel_and_wait

_KNOWN_FOR_S = 0.2
"""For how many seconds the reports of the nodes are used, so that many new connections ask only once."""

_MOST_ASKED = 7
"""How many nodes are asked at the same time. If none of them responds, others are asked next time."""

_GRACE_S = 0.1
"""How many seconds to wait for further reports after those of a majority, among them that of a new primary."""

_MINORITY_GRACE_S = 0.3
"""How many seconds to wait for a majority after the first report. Nodes that are down often do not even refuse."""

_MOVED = re.compile(r"^MOVED \d+ (\S*):(\d+)")
_BEING_MOVED = re.compile(r"^ASK \d|^TRYAGAIN|non local key")
_AWAY = re.compile(r"^CLUSTERDOWN|cluster is down|slot not served", re.IGNORECASE)


class NodeReport(Struct, frozen=True):
    """The cluster as one of its nodes reports it."""

    epoch: int
    """The number of the newest change that the node knows. The highest number is the newest."""

    own_epoch: int
    """The number of the change that gave the node, or its primary, its slots."""

    own_id: str
    primaries: tuple[tuple[int, int, Host, str], ...]
    """The first slot, the last slot, the address and the id of the primary of each range of slots."""

    others: tuple[Host, ...]
    """The addresses of the replicas."""

    def primary_of(self, slot: int) -> tuple[Host, str] | None:
        """Return the address and the id of the primary of a slot; None if no node serves it."""
        return next(
            ((host, node_id) for first, last, host, node_id in self.primaries if first <= slot <= last), None
        )

    def rank(self, slot: int) -> tuple[int, bool, int]:
        """Return how much this report is worth for a slot. The report with the highest rank is the best."""
        # A slot that an operator moves may not change the epoch. Then the node that has it knows best.
        primary = self.primary_of(slot)
        return self.epoch, primary is not None and primary[1] == self.own_id, self.own_epoch


class ClusterNodes:
    """The nodes of a cluster, which all clients of a process share. Each is asked over a short connection."""

    def __init__(self, hosts: tuple[Host, ...], *, timeout_s: float, options: Mapping[str, Any]) -> None:
        """timeout_s: for the first response of any node. options: of the connections to them."""
        self._seeds = hosts
        self._hosts = list(hosts)  # those that are asked first come first
        self._timeout_s = timeout_s
        self._options = options
        self._lock = asyncio.Lock()
        self._reports: list[NodeReport] = []
        self._faults: dict[Host, Exception] = {}
        self._known_until_s = 0.0
        self._moves = 0

    def learn(self, host: Host) -> None:
        """Ask this node first, because another node names it, and use no earlier reports."""
        self._hosts = list(dict.fromkeys((host, *self._hosts)))
        self._known_until_s = 0.0
        self._moves += 1

    async def primary_of(self, slot: int) -> Host:
        """Return the address of the primary of a slot, by the newest report of a majority of the nodes asked.

        If fewer nodes respond soon after the first, the newest report of these is used. Raises redis-py's
        ConnectionError.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:  # many connections may need the same answer
            if loop.time() >= self._known_until_s:
                moves = self._moves
                await self._ask_nodes()
                # A slot that moved meanwhile may be missing in these reports.
                self._known_until_s = loop.time() + (_KNOWN_FOR_S if moves == self._moves else 0.0)
        refusing = [host for host, fault in self._faults.items() if isinstance(fault, AuthenticationError)]
        if not self._reports and refusing:
            return refusing[0]  # the caller's own login to this node then raises the error
        if not self._reports:
            faults = "; ".join(f"{host}:{port}: {fault}" for (host, port), fault in self._faults.items())
            raise RedisConnectionError(f"no node of the cluster knows its primaries: {faults or 'no response'}")
        primary = max(self._reports, key=lambda report: report.rank(slot)).primary_of(slot)
        if primary is None:
            raise RedisConnectionError(f"{SLOT_AWAY}: no node serves slot {slot}")
        return primary[0]

    async def _ask_nodes(self) -> None:
        asked = self._hosts[:_MOST_ASKED]
        asking = {asyncio.create_task(self._ask(host)): host for host in asked}
        try:
            self._reports, self._faults = await self._collect(asking)
        finally:
            await cancel_and_wait(asking)
        if self._reports:
            newest = max(self._reports, key=lambda report: report.epoch)
            primaries = (host for _, _, host, _ in newest.primaries)
            self._hosts = list(dict.fromkeys((*primaries, *newest.others, *self._seeds)))
        else:
            self._hosts = self._hosts[_MOST_ASKED:] + asked

    async def _collect(
        self, asking: Mapping[asyncio.Task[NodeReport], Host]
    ) -> tuple[list[NodeReport], dict[Host, Exception]]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._timeout_s
        reports: list[NodeReport] = []
        faults: dict[Host, Exception] = {}
        pending = set(asking)
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=max(0, ends_at - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for task in done:
                fault = task.exception()
                if fault is None:
                    reports.append(task.result())
                elif isinstance(fault, RedisError | OSError):
                    faults[asking[task]] = fault
                else:
                    raise fault
            if reports:
                grace_s = _GRACE_S if len(reports) > len(asking) // 2 else _MINORITY_GRACE_S
                ends_at = min(ends_at, loop.time() + grace_s)
        return reports, faults

    async def _ask(self, asked: Host) -> NodeReport:
        connection = HostConnection(host=asked[0], port=asked[1], **self._options)
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            slots = await connection.read_response()
            # Some platforms lack these two, or the user may not run them. Then all nodes are believed alike.
            info = await _reply_if_allowed(connection, "CLUSTER", "INFO")
            own_id = await _reply_if_allowed(connection, "CLUSTER", "MYID")
        finally:
            await connection.disconnect(nowait=True)
        return _report(asked, slots, info, own_id)


class SlotPrimary:
    """The primary of one slot of a cluster."""

    def __init__(self, nodes: ClusterNodes, slot: int) -> None:
        self.primary: Host | None = None
        self._nodes = nodes
        self._slot = slot

    async def find(self) -> Host:
        """Return the address of the primary. Raises redis-py's ConnectionError."""
        self.primary = await self._nodes.primary_of(self._slot)
        return self.primary

    def forget(self, new: Host) -> None:
        """Find the primary again before the next command. new: the node that has the slot now, as another says."""
        self.primary = None
        self._nodes.learn(new)


class SlotConnection(HostConnection):
    """A connection to the primary of a slot. It closes itself if the node does not serve the slot.

    The next command opens a new connection, to the node that serves the slot then.
    """

    def __init__(self, *, finder: SlotPrimary, **options: Any) -> None:
        super().__init__(finder=finder, **options)
        self._slot_primary = finder

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a response. Raises the errors of redis-py, and its ConnectionError if the slot is elsewhere."""
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            text = self._elsewhere(str(error))
            if not text:
                raise
            await self.disconnect(nowait=True)
            # A pipeline would treat a ResponseError as the result of one command, and would not try again.
            raise RedisConnectionError(f"{text}: {error}") from None

    def _elsewhere(self, said: str) -> str:
        """Return what it means if the node does not serve the slot, or not wholly; "" for other errors."""
        moved = _MOVED.search(said)
        if moved:
            self._slot_primary.forget((moved[1] or self.host, int(moved[2])))
            return SLOT_MOVED
        if _BEING_MOVED.search(said):
            return SLOT_BEING_MOVED
        return SLOT_AWAY if _AWAY.search(said) else ""


async def _reply_if_allowed(connection: HostConnection, *command: str) -> bytes:
    """Return the reply to a command; empty if the node refuses it."""
    await connection.send_command(*command)
    try:
        return bytes(await connection.read_response())
    except ResponseError:
        return b""


def _report(asked: Host, slots: list[list[Any]], info: bytes, own_id: bytes) -> NodeReport:
    """Read the replies of a node. Raises ConnectionError if the node says that its cluster is down."""
    facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    # A node that is cut off from the others says so, and what it knows is old.
    if facts.get("cluster_state", "ok") != "ok":
        raise RedisConnectionError("its cluster_state is not ok")
    primaries, others = [], []
    for first, last, primary, *replicas in slots:
        primaries.append((first, last, _host(asked, primary), primary[2].decode()))
        others += [_host(asked, replica) for replica in replicas]
    return NodeReport(
        epoch=int(facts.get("cluster_current_epoch", 0)),
        own_epoch=int(facts.get("cluster_my_epoch", 0)),
        own_id=own_id.decode(),
        primaries=tuple(primaries),
        others=tuple(others),
    )


def _host(asked: Host, node: list[Any]) -> Host:
    """The address of a node. A node without one is reached at the host that was asked."""
    host = (node[0] or b"").decode()
    if host == "?":
        raise RedisConnectionError("it does not know the host name of a node: set cluster-announce-hostname there")
    return (host or asked[0], node[1])
