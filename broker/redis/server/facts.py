"""Facts about the server: its version, how it keeps its data, its memory and its risks."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from redis.exceptions import (
    ResponseError,
)

from broker.redis.client import Client, Persistence
from broker.redis.error_reasons import CLUSTER
from broker.redis.errors import translated
from broker.redis.primary.cluster import SlotConnection


class ServerFacts(Struct, frozen=True):
    """The facts that decide whether a Redis keeps its data. Unreported facts are None or ""."""

    version: tuple[int, ...]
    """Major and minor version; empty if the server does not report it."""

    aof: bool | None
    """True if the server writes an append-only file."""

    fsync: str
    """The value of appendfsync: `always`, `everysec` or `no`; "" if the server refuses CONFIG GET."""

    eviction: str
    """The value of maxmemory-policy. With any value but `noeviction`, Redis may remove events when it is full."""

    max_memory_bytes: int | None
    """The value of maxmemory; 0 means no limit."""

    used_memory_bytes: int | None
    read_only: bool
    replicas: int | None
    """The number of connected replicas."""

    has_stopped_aof: bool = False
    """True if the append-only file is enabled, and the server has stopped writing it for a while."""

    product: str = "redis"
    """The product: `redis` or `valkey`."""

    lacks_cluster_url: bool = False
    """True for a node of a Redis Cluster whose address in redis.url is not that of a cluster."""

    snapshots: bool | None = None
    """True if the server saves snapshots (RDB) automatically; None if it refuses CONFIG GET."""

    run_id: str = ""
    """The id of the running server process, by which partitions on one server are recognized."""

    needs_all_slots: bool = False
    """True if all nodes of the cluster stop when one slot has no primary (cluster-require-full-coverage)."""

    persistence: Persistence = "checked"
    """The setting redis.persistence: what these facts must say about the disk."""

    def name(self) -> str:
        """Return the product and its version, such as `Redis 8.2` or `Valkey 9.1`."""
        return f"{self.product.capitalize()} {self.version_text() or 'of an unknown version'}"

    def version_text(self) -> str:
        """Return the version, such as `8.2`; "" if the server does not report it."""
        return ".".join(str(part) for part in self.version)

    def risks(self) -> list[str]:
        """Return each reason why this Redis may lose confirmed writes, and how to fix it."""
        risks = []
        if self.lacks_cluster_url:
            risks.append(CLUSTER)
        if self.eviction not in ("noeviction", "") and self.max_memory_bytes:
            risks.append(
                f"Redis may evict keys (maxmemory-policy {self.eviction}): set maxmemory-policy noeviction"
            )
        if self.aof is False and self.persistence == "checked":
            risks.append(STOPPED_AOF if self.has_stopped_aof else _NO_AOF[self.snapshots])
        if self.read_only:
            risks.append("Redis is a read-only replica: point redis.url at the primary")
        return risks

    def notes(self) -> list[str]:
        """Return what redis.persistence means, unless it is `checked`, how a cluster fails, what is unknown."""
        coverage = [_ALL_SLOTS] if self.needs_all_slots else []
        return [*_PERSISTENCE_NOTES[self.persistence], *coverage, *self.unknowns()]

    def accepted_risks(self) -> list[str]:
        """Return the risks that the operator accepted with redis.persistence."""
        return _PERSISTENCE_NOTES["none"] if self.persistence == "none" else []

    def unknowns(self) -> list[str]:
        """Return each important fact that this server does not report, and what the operator can do."""
        unknowns = []
        if not self.version:
            unknowns.append("Redis does not report its version: check that it is Redis 6.2 or later, or Valkey")
        if self.persistence == "checked":
            unknowns += self._unknown_persistence()
        if not self.eviction:
            unknowns.append(
                "Redis does not report what it does when it is full: check that maxmemory-policy is noeviction"
            )
        if self.max_memory_bytes is None or self.used_memory_bytes is None:
            unknowns.append(
                "Redis does not report how much of its memory is in use, so /readyz cannot warn before it is "
                "full: watch it with the tools of the platform"
            )
        return unknowns

    def _unknown_persistence(self) -> list[str]:
        unknowns = []
        if not self.fsync:
            unknowns.append(
                "Redis refuses CONFIG GET, so appendfsync is unknown: allow it (+config|get), or check the value "
                "yourself"
            )
        if self.aof is None:
            unknowns.append("Redis does not report whether it logs writes to disk: check that appendonly is yes")
        return unknowns

    def memory_used(self) -> float:
        """Return the share of maxmemory that is in use (0 to 1); 0 without a limit, or if it is unknown."""
        return (self.used_memory_bytes or 0) / self.max_memory_bytes if self.max_memory_bytes else 0.0


NO_PERSISTENCE = (
    'redis.persistence is "none": if Redis restarts without its data, everything in it is lost (webhooks that '
    "were answered 202, waiting notifications, dead letters and remembered events)"
)
MANAGED = (
    'redis.persistence is "managed": Hookline neither checks nor promises that Redis keeps its data on disk; see '
    "the documentation of the platform for what it can lose"
)
_PERSISTENCE_NOTES: dict[Persistence, list[str]] = {
    "checked": [],
    "managed": [MANAGED],
    "none": [NO_PERSISTENCE],
}

STOPPED_AOF = (
    "Redis does not log writes to disk at the moment, although appendonly is yes: a server that was the primary "
    "stops its log while it copies the data of the new one, and then goes on; if it does not, see the log of Redis"
)

_ALL_SLOTS = (
    "one lost primary stops the whole cluster until a replica takes its place, since "
    "cluster-require-full-coverage is yes: set cluster-require-full-coverage no on every node, so that the others "
    "go on"
)

_NO_AOF = {
    True: "Redis keeps snapshots only and does not log writes to disk (appendonly no), so that a crash loses what "
    "came since the last one: set appendonly yes",
    False: "Redis keeps nothing on disk and does not log writes there (appendonly no): set appendonly yes",
    None: "Redis does not log writes to disk (appendonly no): set appendonly yes",
}


_SETTINGS = ("appendonly", "appendfsync", "save", "cluster-require-full-coverage")


async def read_facts(redis: Client) -> ServerFacts:
    """Read the facts with INFO and CONFIG GET. Raises BrokerError."""
    with translated():
        info: dict[str, Any] = await redis.info()
        config = await _config(redis)
    aof = bool(info["aof_enabled"]) if "aof_enabled" in info else None
    return ServerFacts(
        version=_version(info),
        aof=aof,
        has_stopped_aof=aof is False and config.get("appendonly") == "yes",
        fsync=config.get("appendfsync", ""),
        eviction=str(info.get("maxmemory_policy", "")),
        max_memory_bytes=_number(info, "maxmemory"),
        used_memory_bytes=_number(info, "used_memory"),
        read_only=info.get("role") == "slave",
        replicas=_number(info, "connected_slaves"),
        product="valkey" if "valkey_version" in info else "redis",
        lacks_cluster_url=_is_cluster_node(info) and redis.connection_pool.connection_class is not SlotConnection,
        snapshots=bool(config["save"]) if "save" in config else None,
        run_id=str(info.get("run_id", "")),
        needs_all_slots=_is_cluster_node(info) and config.get("cluster-require-full-coverage") == "yes",
        persistence=redis.persistence,
    )


def _is_cluster_node(info: dict[str, Any]) -> bool:
    return info.get("redis_mode") == "cluster" or bool(info.get("cluster_enabled"))


def _version(info: dict[str, Any]) -> tuple[int, ...]:
    version = str(info.get("valkey_version") or info.get("redis_version", ""))
    return tuple(int(part) for part in version.split(".")[:2]) if version else ()


def _number(info: dict[str, Any], field: str) -> int | None:
    return int(info[field]) if field in info else None


async def _config(redis: Client) -> dict[str, str]:
    """Read the settings that INFO does not contain; {} if the server refuses CONFIG, as managed platforms do."""
    async with redis.pipeline(transaction=False) as pipe:
        for name in _SETTINGS:
            pipe.config_get(name)
        replies = await pipe.execute(raise_on_error=False)
    return {
        _text(key): _text(value)
        for reply in replies
        if not isinstance(reply, ResponseError)
        for key, value in reply.items()
    }


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
