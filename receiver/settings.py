"""The `[receiver]` section."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How webhooks are taken in. The provider hears an answer within body_timeout_s + flush_timeout_s."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface, :: for every interface by IPv4 and IPv6."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes a free one."""

    processes: Count = 1
    """Receiver processes that share the port."""

    max_body_bytes: Annotated[int, Meta(ge=1, le=32 * 1024 * 1024)] = 1024 * 1024
    """A larger body is answered 413."""

    body_timeout_s: Seconds = 4.0
    """A body that takes longer to arrive is answered 408. A client that reads none of its answers for as long is
    cut off."""

    head_timeout_s: Seconds = 10.0
    """Seconds a new connection has for the head of its first request; beyond, it is closed, with 408 where a part
    of the head came."""

    idle_timeout_s: Seconds = 75.0
    """Seconds a connection is kept for the next request; let a proxy before the receiver give up sooner."""

    max_connections: Count = 10_000
    """Open connections of one process, fewer where the limit on open files is lower. Beyond, the one that has been
    idle longest is closed for the new one; where none is idle the new one is answered 503."""

    max_pending_bytes: Count = 64 * 1024 * 1024
    """Bytes of verified bodies that may wait for Redis in one process; beyond, 503. As many again may be held of
    bodies that are still arriving; beyond, the one that has been arriving longest is answered 503."""

    flush_timeout_s: Seconds = 4.0
    """Seconds one write to Redis may take; beyond, its webhooks are answered 503."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR or single addresses) of the proxies before the receiver. What X-Forwarded-For or Forwarded
    says about the sender is believed only from these; without any, `addresses` of a source is held against the
    other end of the connection."""

    max_queued_bytes: Annotated[int, Meta(ge=0)] = 0
    """Bytes of memory that queued webhooks may take in Redis, as Redis counts them (MEMORY USAGE of the stream,
    about once a second); beyond, 503, or to the disk with spill_dir. 0: no bound but maxmemory."""

    spill_dir: str = ""
    """Directory on a local disk where webhooks are kept while Redis does not take them; receivers may share it.
    Empty: they are answered 503."""

    spill_max_bytes: Annotated[int, Meta(ge=1, le=8 * 1024 * 1024 * 1024)] = 1024 * 1024 * 1024
    """Bytes that all receivers may spill to spill_dir together; beyond, 503."""

    retry_after_s: Count = 5
    """What Retry-After says with a 503."""

    shutdown_timeout_s: Seconds = 10.0
    """Seconds that requests under way get to finish on SIGTERM."""

    kept_headers: tuple[str, ...] = ("content-type", "user-agent")
    """Headers of a request that are kept beside its body and shown with a dead letter, 1 KB in all. Those that
    carry secrets or signatures are refused."""

    durability: Literal["memory", "fsync", "replicated"] = "memory"
    """What 202 promises: Redis has it in memory (and logs it within a second where AOF is on), on disk, or on
    disk and on `replicas` replicas."""

    replicas: Count = 1
    """Replicas that must confirm with durability "replicated"."""
