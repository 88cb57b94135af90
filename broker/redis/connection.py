"""Connects to Redis, and reads the facts about the server."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.exceptions import (
    BusyLoadingError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)

from broker.redis.client import Client, Persistence
from broker.redis.connection_pool import HostConnection, SocketConnection
from broker.redis.error_reasons import CLUSTER
from broker.redis.errors import Misconfigured, translated
from broker.redis.keys import Names, prefix_of
from broker.redis.redis_url import Address, AddressError, Login, parse
from broker.redis.sentinels import Sentinels
from broker.redis.tls import Verify, tls_context


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of the `[redis]` section."""

    url: str = ""
    """The address of Redis: redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:///path.

    With Sentinel: redis+sentinel://[user:password@]host1[:port],host2,host3/primary[/db], or rediss+sentinel://
    for TLS. `primary` is the name that the sentinels use. If the sentinels need a login, add ?sentinel_username=
    and &sentinel_password=. In a user or a password, write / ? # @ % : as %2F %3F %23 %40 %25 %3A. Empty by
    default: `hookline up` then starts an embedded Redis."""

    namespace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")] = "hookline"
    """The beginning of the names of all keys. Installations with different namespaces can share one database.

    At most 64 letters, digits, `_`, `.` and `-`. Defaults to `hookline`."""

    persistence: Persistence = "checked"
    """How to make sure that Redis keeps its data on disk: `checked`, `managed` or `none`. Defaults to `checked`.

    `checked` reads from the server whether it has an append-only file; without one, the receiver is not ready and
    `hookline check` reports a problem. `managed` trusts the platform that runs Redis: nothing about the
    append-only file is required or claimed, and `receiver.durability = "fsync"` then means that Redis replied.
    `none` accepts that everything in Redis may be lost when it restarts; the log, `check` and `status` say so."""

    tls_ca_file: str = ""
    """The PEM file of the authorities that may sign the certificate of Redis.

    Empty by default: the authorities that the system trusts are used."""

    tls_cert_file: str = ""
    """The PEM file of the client certificate for Redis and the sentinels, which their `tls-auth-clients` requires.

    Empty by default: no client certificate is used."""

    tls_key_file: str = ""
    """The PEM file of the client certificate's key. Empty by default: the key is in `tls_cert_file`."""

    tls_verify: Verify = "full"
    """How to verify the certificate of Redis: `full` checks the authority and the host, `ca` only the authority,
    and `none` nothing. Defaults to `full`."""

    max_connections: Annotated[int, Meta(ge=4)] = 32
    """The largest number of connections of one process, at least 4. Defaults to 32.

    If all are in use, a command waits up to `socket_timeout_s` for one. Two connections of a worker process are
    always in use: they wait for webhooks and for jobs of other processes."""

    connect_timeout_s: Annotated[float, Meta(gt=0)] = 2.0
    """How many seconds to wait for a connection to open, and for the sentinels to report the primary.

    Defaults to 2."""

    # Without this time-out a frozen Redis would block every caller for ever.
    socket_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    """How many seconds to wait for a response. Defaults to 5.

    After that the command fails, and is not repeated."""


def connect(settings: Settings, *, retries: int = 3) -> Client:
    """Create a client with its own connection pool. It connects when a command needs it, so Redis may be down now.

    retries: how often to repeat a command after the connection was lost, or if the server is no longer the
    primary. Raises Misconfigured.
    """
    # Every write of this package is safe to repeat. A time-out is not retried, because the command may have been
    # run, and only the caller knows what to do then.
    try:
        address = parse(settings.url)
    except AddressError as error:
        raise Misconfigured(f"redis.url: {error}") from None
    options: dict[str, Any] = {
        "max_connections": settings.max_connections,
        "timeout": settings.socket_timeout_s,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "health_check_interval": 15,
        "retry": Retry(FullJitterBackoff(cap=0.5, base=0.02), retries),
        "retry_on_error": [RedisConnectionError, BusyLoadingError, ReadOnlyError, ConnectionError],
        "db": address.db,
        "encoding_errors": "surrogateescape",  # a name that is not UTF-8 is encoded to the same bytes again
    }
    pool = BlockingConnectionPool(**options, **_login(address.login), **_place(address, settings))
    return Client(names=Names(prefix_of(settings.namespace)), pool=pool, persistence=settings.persistence)


def longest_block_s(settings: Settings) -> float:
    """The seconds for which a read may block: at most 4, and less than the client waits for a response."""
    return min(4.0, 0.8 * settings.socket_timeout_s)


def forget_primary(redis: Client) -> None:
    """Make the client ask the sentinels, if there are any, for the primary before the next command."""
    finder: Sentinels | None = redis.connection_pool.connection_kwargs.get("finder")
    if finder is not None:
        finder.primary = None


def _place(address: Address, settings: Settings) -> dict[str, Any]:
    if address.path:
        return {"connection_class": SocketConnection, "path": address.path}
    place: dict[str, Any] = {"connection_class": HostConnection, "socket_keepalive": True}
    tls: dict[str, Any] = {}
    if address.tls:
        tls["has_certificate"] = bool(settings.tls_cert_file)
        tls["tls"] = tls_context(
            ca_file=settings.tls_ca_file,
            cert_file=settings.tls_cert_file,
            key_file=settings.tls_key_file,
            verify=settings.tls_verify,
        )
    if not address.primary:
        host, port = address.hosts[0]
        return place | tls | {"host": host, "port": port}
    finder = Sentinels(
        address.hosts,
        address.primary,
        timeout_s=settings.connect_timeout_s,
        options=_login(address.sentinel_login) | tls,
    )
    return place | tls | {"finder": finder}


def _login(login: Login) -> dict[str, Any]:
    return {"username": login.username or None, "password": login.password or None}


class ServerFacts(Struct, frozen=True):
    """The facts that decide whether a Redis keeps its data. Unreported facts are None or ""."""

    version: tuple[int, ...]
    """Major and minor version; empty if the server does not report it."""

    aof: bool | None
    """True if the append-only file is enabled."""

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

    product: str = "redis"
    """The product: `redis` or `valkey`."""

    is_cluster: bool = False
    """True for a node of a Redis Cluster."""

    snapshots: bool | None = None
    """True if the server saves snapshots (RDB) automatically; None if it refuses CONFIG GET."""

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
        if self.is_cluster:
            risks.append(CLUSTER)
        if self.eviction not in ("noeviction", "") and self.max_memory_bytes:
            risks.append(
                f"Redis may evict keys (maxmemory-policy {self.eviction}): set maxmemory-policy noeviction"
            )
        if self.aof is False and self.persistence == "checked":
            risks.append(_NO_AOF[self.snapshots])
        if self.read_only:
            risks.append("Redis is a read-only replica: point redis.url at the primary")
        return risks

    def notes(self) -> list[str]:
        """Return what redis.persistence means, unless it is `checked`, and what is unknown about this server."""
        return [*_PERSISTENCE_NOTES[self.persistence], *self.unknowns()]

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
_MANAGED = (
    'redis.persistence is "managed": Hookline neither checks nor promises that Redis keeps its data on disk; see '
    "the documentation of the platform for what it can lose"
)
_PERSISTENCE_NOTES: dict[Persistence, list[str]] = {
    "checked": [],
    "managed": [_MANAGED],
    "none": [NO_PERSISTENCE],
}

_NO_AOF = {
    True: "Redis keeps snapshots only and does not log writes to disk (appendonly no), so that a crash loses what "
    "came since the last one: set appendonly yes",
    False: "Redis keeps nothing on disk and does not log writes there (appendonly no): set appendonly yes",
    None: "Redis does not log writes to disk (appendonly no): set appendonly yes",
}


async def read_facts(redis: Client) -> ServerFacts:
    """Read the facts with INFO and CONFIG GET. Raises BrokerError."""
    with translated():
        info: dict[str, Any] = await redis.info()
        config = await _config(redis)
    return ServerFacts(
        version=_version(info),
        aof=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        fsync=config.get("appendfsync", ""),
        eviction=str(info.get("maxmemory_policy", "")),
        max_memory_bytes=_number(info, "maxmemory"),
        used_memory_bytes=_number(info, "used_memory"),
        read_only=info.get("role") == "slave",
        replicas=_number(info, "connected_slaves"),
        product="valkey" if "valkey_version" in info else "redis",
        is_cluster=info.get("redis_mode") == "cluster" or bool(info.get("cluster_enabled")),
        snapshots=bool(config["save"]) if "save" in config else None,
        persistence=redis.persistence,
    )


def _version(info: dict[str, Any]) -> tuple[int, ...]:
    version = str(info.get("valkey_version") or info.get("redis_version", ""))
    return tuple(int(part) for part in version.split(".")[:2]) if version else ()


def _number(info: dict[str, Any], field: str) -> int | None:
    return int(info[field]) if field in info else None


async def _config(redis: Client) -> dict[str, str]:
    """Read the settings that INFO does not contain; {} if the server refuses CONFIG, as managed platforms do."""
    try:
        settings = await redis.config_get("appendfsync")
        settings |= await redis.config_get("save")
    except ResponseError:
        return {}
    return {_text(key): _text(value) for key, value in settings.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
