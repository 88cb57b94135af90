"""The connection to Redis, and what kind of server it is."""

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

from broker.redis.client import Client
from broker.redis.connection_pool import HostLink, SocketLink
from broker.redis.error_reasons import CLUSTER
from broker.redis.errors import Misconfigured, translated
from broker.redis.keys import Names, prefix_of
from broker.redis.redis_url import Address, AddressError, Login, parse
from broker.redis.sentinels import Sentinels
from broker.redis.tls import Verify, tls_context


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[redis]` section."""

    url: str = ""
    """redis://[user:password@]host[:port][/db], rediss:// for TLS, unix:///path, or the sentinels that know the
    primary: redis+sentinel://[user:password@]h1[:port],h2,h3/primary[/db] (rediss+sentinel:// for TLS), with
    ?sentinel_username= and sentinel_password= where the sentinels want a login. Write / ? # @ % : in a password
    as %2F %3F %23 %40 %25 %3A. Empty lets `hookline up` start an embedded Redis."""

    namespace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")] = "hookline"
    """What the names of all keys begin with. Installations with different namespaces share one database without
    touching each other. Letters, digits, `_`, `.` and `-`, at most 64."""

    tls_ca_file: str = ""
    """PEM file of the authorities that may sign the certificate of Redis; empty: those this system trusts."""

    tls_cert_file: str = ""
    """PEM file of the certificate that Redis and the sentinels ask of clients (`tls-auth-clients`)."""

    tls_key_file: str = ""
    """PEM file of its key; empty: it stands in the same file."""

    tls_verify: Verify = "full"
    """What the certificate of Redis must prove: authority and host (full), the authority alone (ca), nothing."""

    max_connections: Annotated[int, Meta(ge=4)] = 32
    """Connections a process may hold; further callers wait."""

    connect_timeout_s: Annotated[float, Meta(gt=0)] = 2.0
    """Seconds to wait for a connection to open, and for the sentinels to tell where to."""

    socket_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    """Seconds to wait for any answer. Without it a frozen Redis would hang every caller for ever."""


def connect(settings: Settings, *, retries: int = 3) -> Client:
    """A client on a pool of its own; opens connections as they are needed, so this never fails for a dead server.

    `retries`: how often a command is tried again on a lost connection, and on one to a server that is no longer
    the primary. Every write of this package is safe to repeat. A time-out is not retried: it means "maybe
    written", and the caller knows better. Raises Misconfigured.
    """
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
        "encoding_errors": "surrogateescape",  # a name that is no text stays what it is on its way back
    }
    pool = BlockingConnectionPool(**options, **_login(address.login), **_place(address, settings))
    return Client(names=Names(prefix_of(settings.namespace)), pool=pool)


def doubt_primary(redis: Client) -> None:
    """Have the sentinels asked, where there are any, before the next use of this client."""
    finder: Sentinels | None = redis.connection_pool.connection_kwargs.get("finder")
    if finder is not None:
        finder.primary = None


def _place(address: Address, settings: Settings) -> dict[str, Any]:
    if address.path:
        return {"connection_class": SocketLink, "path": address.path}
    place: dict[str, Any] = {"connection_class": HostLink, "socket_keepalive": True}
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
        link=_login(address.sentinel_login) | tls,
    )
    return place | tls | {"finder": finder}


def _login(login: Login) -> dict[str, Any]:
    return {"username": login.username or None, "password": login.password or None}


class Facts(Struct, frozen=True):
    """What decides whether a Redis keeps what it is given. What the server does not say is None or ""."""

    version: tuple[int, int]
    aof: bool | None
    fsync: str
    """appendfsync: `always`, `everysec` or `no`; "" where the server refuses CONFIG GET."""

    eviction: str
    """maxmemory-policy; anything but `noeviction` may throw events away."""

    max_memory_bytes: int
    used_memory_bytes: int
    read_only: bool
    replicas: int
    product: str = "redis"
    """`redis` or `valkey`."""

    is_cluster: bool = False
    """Whether it is a node of a Redis Cluster."""

    snapshots: bool | None = None
    """Whether it saves snapshots (RDB) by itself; None where the server refuses CONFIG GET."""

    def name(self) -> str:
        """`Redis 8.2` or `Valkey 9.1`."""
        return f"{self.product.capitalize()} {'.'.join(str(part) for part in self.version)}"

    def risks(self) -> list[str]:
        """Each reason why this Redis may lose what it confirmed, in words, with the cure."""
        found = []
        if self.is_cluster:
            found.append(CLUSTER)
        if self.eviction not in ("noeviction", "") and self.max_memory_bytes:
            found.append(
                f"Redis may evict keys (maxmemory-policy {self.eviction}): set maxmemory-policy noeviction"
            )
        if self.aof is False:
            found.append(_NO_AOF[self.snapshots])
        if self.read_only:
            found.append("Redis is a read-only replica: point redis.url at the primary")
        return found

    def unknowns(self) -> list[str]:
        """What this server does not say although it matters, and how to have it say that."""
        found = []
        if not self.fsync:
            found.append(
                "Redis refuses CONFIG GET, so appendfsync is unknown: allow it (+config|get), or make sure of it "
                "yourself"
            )
        if self.aof is None:
            found.append(
                "Redis does not say whether it logs writes to disk (appendonly): make sure of it yourself"
            )
        if not self.eviction:
            found.append(
                "Redis does not say what it does when it is full (maxmemory-policy): make sure that it is "
                "noeviction"
            )
        return found

    def memory_used(self) -> float:
        """Share of maxmemory in use, 0 where there is no limit."""
        return self.used_memory_bytes / self.max_memory_bytes if self.max_memory_bytes else 0.0


_NO_AOF = {
    True: "Redis keeps snapshots only and does not log writes to disk (appendonly no), so that a crash loses what "
    "came since the last one: set appendonly yes",
    False: "Redis keeps nothing on disk and does not log writes there (appendonly no): set appendonly yes",
    None: "Redis does not log writes to disk (appendonly no): set appendonly yes",
}


async def read_facts(redis: Client) -> Facts:
    """Ask the server. Raises BrokerError."""
    with translated():
        info: dict[str, Any] = await redis.info()
        config = await _config(redis)
    major, minor = str(info.get("valkey_version") or info["redis_version"]).split(".")[:2]
    return Facts(
        version=(int(major), int(minor)),
        aof=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        fsync=config.get("appendfsync", ""),
        eviction=str(info.get("maxmemory_policy", "")),
        max_memory_bytes=int(info.get("maxmemory", 0)),
        used_memory_bytes=int(info.get("used_memory", 0)),
        read_only=info.get("role") == "slave",
        replicas=int(info.get("connected_slaves", 0)),
        product="valkey" if "valkey_version" in info else "redis",
        is_cluster=info.get("redis_mode") == "cluster" or bool(info.get("cluster_enabled")),
        snapshots=bool(config["save"]) if "save" in config else None,
    )


async def _config(redis: Client) -> dict[str, str]:
    """The settings that INFO does not tell; nothing where the server refuses CONFIG, as managed ones do."""
    try:
        found = await redis.config_get("appendfsync")
        found |= await redis.config_get("save")
    except ResponseError:
        return {}
    return {_text(key): _text(value) for key, value in found.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
