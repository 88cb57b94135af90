"""The settings of the receiver."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[receiver]` section. The provider gets a response within body_timeout_s + flush_timeout_s."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every IPv4 interface, :: for every interface with IPv4 and IPv6."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """Port to listen on; 0 chooses a free one."""

    public_url: str = ""
    """The beginning of the URL under which providers reach the receiver, without /webhooks and without a query,
    such as https://hooks.example.com. Needed by sources whose provider signs the URL that it calls. Headers of
    proxies are never used for this."""

    processes: Count = 1
    """Number of receiver processes, which share the port."""

    max_body_bytes: Annotated[int, Meta(ge=1, le=32 * 1024 * 1024)] = 1024 * 1024
    """Limit on a body in bytes; a larger body is answered 413."""

    body_timeout_s: Seconds = 4.0
    """Seconds that a body may take to arrive; a slower one is answered 408. A client that does not read its
    responses for so long is disconnected."""

    head_timeout_s: Seconds = 10.0
    """Seconds that a new connection has for the head of its first request; then it is closed, with 408 if a part
    of the head has arrived."""

    idle_timeout_s: Seconds = 75.0
    """Seconds that an idle connection is kept for the next request. A proxy before the receiver should close its
    connections sooner."""

    max_connections: Count = 10_000
    """Limit on the open connections of one process; lower if the limit on open files is lower. Beyond it, the
    connection that has been idle longest is closed for the new one; if none is idle, the new one is answered
    503."""

    max_pending_bytes: Count = 64 * 1024 * 1024
    """Bytes of verified bodies that may wait for Redis in one process; further ones are answered 503. Bodies that
    are still arriving may hold as many bytes again; beyond that, the one that has been arriving longest is
    answered 503."""

    flush_timeout_s: Seconds = 4.0
    """Seconds that one write to Redis may take; then its webhooks are answered 503."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR or single addresses) of the proxies before the receiver. The headers X-Forwarded-For and
    Forwarded are trusted only from these. Empty: the `addresses` of a source are compared with the other end of
    the connection."""

    max_queued_bytes: Annotated[int, Meta(ge=0)] = 0
    """Bytes of memory that queued webhooks may take in Redis, as Redis counts them (MEMORY USAGE of the stream,
    about once a second); further ones are answered 503, or spilled to spill_dir. 0: no limit except maxmemory."""

    spill_dir: str = ""
    """Directory on a local disk where webhooks are kept while Redis does not accept them; receivers may share it.
    Empty: they are answered 503."""

    spill_max_bytes: Annotated[int, Meta(ge=1, le=8 * 1024 * 1024 * 1024)] = 1024 * 1024 * 1024
    """Bytes that all receivers together may spill to spill_dir; further webhooks are answered 503."""

    retry_after_s: Count = 5
    """Seconds in the Retry-After header of a 503."""

    shutdown_timeout_s: Seconds = 10.0
    """Seconds that requests under way have to finish after SIGTERM; then their connections are closed."""

    kept_headers: tuple[str, ...] = ("content-type", "user-agent")
    """Headers of a request that are stored beside its body and shown with a dead letter, at most 1 KB in all.
    Headers with secrets or signatures are not allowed here."""

    durability: Literal["memory", "fsync", "replicated"] = "memory"
    """The meaning of a 202: the webhook is in the memory of Redis (and on disk within a second if AOF is on), on
    disk, or on disk and on `replicas` replicas."""

    replicas: Count = 1
    """Number of replicas that must confirm with durability "replicated"."""
