"""Opens the connections to Redis that the `[redis]` section describes."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.crc import key_slot
from redis.exceptions import (
    BusyLoadingError,
    ReadOnlyError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)

from broker.redis.client import Client, Persistence
from broker.redis.connection_pool import HostConnection, Pool, PrimaryFinder, SocketConnection
from broker.redis.errors import Misconfigured
from broker.redis.keys import Names, prefix_of
from broker.redis.primary.cluster import ClusterNodes, SlotConnection, SlotPrimary
from broker.redis.primary.sentinels import Sentinels
from broker.redis.redis_url import Address, AddressError, Login, parse
from broker.redis.tls import Verify, tls_context


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of the `[redis]` section."""

    url: str = ""
    """The address of Redis: redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:///path.

    With Sentinel: redis+sentinel://[user:password@]host1[:port],host2,host3/primary[/db], or rediss+sentinel://
    for TLS. `primary` is the name that the sentinels use. If the sentinels need a login, add ?sentinel_username=
    and &sentinel_password=. With Redis Cluster: redis+cluster://[user:password@]host1[:port],host2,host3, or
    rediss+cluster:// for TLS; some of its nodes are enough. In a user or a password, write / ? # @ % : as %2F %3F
    %23 %40 %25 %3A. As it may contain a password, it can also be in a file of its own: "file:/path", which is read
    at the start. Empty by default: `hookline up` then starts an embedded Redis."""

    namespace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")] = "hookline"
    """The beginning of the names of all keys. Installations with different namespaces can share one database.

    At most 64 letters, digits, `_`, `.` and `-`. Defaults to `hookline`."""

    persistence: Persistence = "checked"
    """How to make sure that Redis keeps its data on disk: `checked`, `managed` or `none`. Defaults to `checked`.

    `checked` reads from the server whether it has an append-only file; without one, the receiver is not ready and
    `hookline check` reports a problem. `managed` trusts the platform that runs Redis: nothing about the
    append-only file is required or claimed, and `receiver.durability = "fsync"` then means that Redis replied.
    `none` accepts that everything in Redis may be lost when it restarts; the log, `check` and `status` say so."""

    partitions: Annotated[int, Meta(ge=1, le=256)] = 1
    """Into how many partitions the data is divided, 1 to 256. Defaults to 1.

    Several partitions spread the load over the nodes of a Redis Cluster; each is one hash slot. The number is
    fixed when a namespace is first used; `hookline redis repartition` changes it later."""

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
    """The largest number of connections of one process to one partition, at least 4. Defaults to 32.

    If all are in use, a command waits up to `socket_timeout_s` for one. Two connections of a worker process to
    each partition that it reads are always in use: they wait for webhooks and for jobs of other processes."""

    connect_timeout_s: Annotated[float, Meta(gt=0)] = 2.0
    """How many seconds to wait for a connection to open, and for the sentinels to report the primary.

    Defaults to 2."""

    # Without this time-out a frozen Redis would block every caller for ever.
    socket_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    """How many seconds to wait for a response. Defaults to 5.

    After that the command fails, and is not repeated."""


def connect(
    settings: Settings, *, retries: int = 3, partition: int = 0, nodes: ClusterNodes | None = None
) -> Client:
    """Create a client with its own connection pool. It connects when a command needs it, so Redis may be down now.

    retries: how often to repeat a command after the connection was lost, or if the server is no longer the
    primary. partition: the number of the partition whose keys it uses; see broker/redis/partitions.py for all of
    them. nodes: those of `cluster_nodes`, to share them with other clients; by default the client has its own.
    Raises Misconfigured.
    """
    # Every write of this package is safe to repeat. A time-out is not retried, because the command may have been
    # run, and only the caller knows what to do then.
    address, prefix = _address(settings), prefix_of(settings.namespace, partition)
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
    place = _place(address, settings, finder_for(address, settings, prefix, nodes))
    pool = Pool(**options, **_login(address.login), **place)
    return Client(
        names=Names(prefix),
        pool=pool,
        persistence=settings.persistence,
        partition=partition,
        partitions=settings.partitions,
    )


def cluster_nodes(settings: Settings) -> ClusterNodes | None:
    """Return what several clients of one cluster share; None if `redis.url` is not that of a cluster.

    Raises Misconfigured.
    """
    address = _address(settings)
    return _nodes(address, settings) if address.is_cluster else None


def finder_for(
    address: Address, settings: Settings, prefix: str, nodes: ClusterNodes | None
) -> PrimaryFinder | None:
    """Return what finds the primary for the keys with a prefix; None if there is only one server."""
    if address.is_cluster:
        return SlotPrimary(nodes or _nodes(address, settings), key_slot(prefix.encode()))
    if not address.primary:
        return None
    return Sentinels(
        address.hosts,
        address.primary,
        timeout_s=settings.connect_timeout_s,
        options=_login(address.sentinel_login) | _tls(address, settings),
    )


def longest_block_s(settings: Settings) -> float:
    """The seconds for which a read may block: at most 4, and less than the client waits for a response."""
    return min(4.0, 0.8 * settings.socket_timeout_s)


def forget_primary(redis: Client) -> None:
    """Make the client find the primary again before the next command, if more than one server can be it."""
    finder: PrimaryFinder | None = redis.connection_pool.connection_kwargs.get("finder")
    if finder is not None:
        finder.primary = None


def _address(settings: Settings) -> Address:
    try:
        return parse(settings.url)
    except AddressError as error:
        raise Misconfigured(f"redis.url: {error}") from None


def _nodes(address: Address, settings: Settings) -> ClusterNodes:
    return ClusterNodes(
        address.hosts,
        timeout_s=settings.connect_timeout_s,
        options=_login(address.login) | _tls(address, settings),
    )


def _place(address: Address, settings: Settings, finder: PrimaryFinder | None) -> dict[str, Any]:
    if address.path:
        return {"connection_class": SocketConnection, "path": address.path}
    connection_class = SlotConnection if address.is_cluster else HostConnection
    place = {"connection_class": connection_class, "socket_keepalive": True} | _tls(address, settings)
    if finder is not None:
        return place | {"finder": finder}
    host, port = address.hosts[0]
    return place | {"host": host, "port": port}


def _tls(address: Address, settings: Settings) -> dict[str, Any]:
    """The options of a connection with TLS; none without TLS."""
    if not address.tls:
        return {}
    context = tls_context(
        ca_file=settings.tls_ca_file,
        cert_file=settings.tls_cert_file,
        key_file=settings.tls_key_file,
        verify=settings.tls_verify,
    )
    return {"tls": context, "has_certificate": bool(settings.tls_cert_file)}


def _login(login: Login) -> dict[str, Any]:
    return {"username": login.username or None, "password": login.password or None}
