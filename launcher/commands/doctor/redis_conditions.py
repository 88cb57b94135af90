"""Finds what is wrong with a Redis server that runs. Pure: it depends on the facts alone."""

from __future__ import annotations

from collections.abc import Iterator

from broker.redis.clock import OFF_MS
from broker.redis.server.facts import ServerFacts
from broker.redis.server.health import ServerHealth
from inspector.operations.status import Status
from launcher.commands.doctor.finding import Finding, problem, warning

OLDEST = {"redis": (6, 2), "valkey": (7, 2)}
"""The oldest versions that Hookline is tested with."""

NEARLY_FULL = 0.8
"""Share of the machine's memory, or of the connections, from which on a server counts as nearly full."""

SLOW_MS = 20.0
"""The shortest of five round trips that counts as slow, in ms. Every webhook waits for at least one."""


def server_findings(facts: ServerFacts, health: ServerHealth) -> Iterator[Finding]:
    """Return what is wrong with the server of a partition, besides what `hookline check` finds."""
    oldest = OLDEST[facts.product]
    if facts.version and facts.version < oldest:
        name = f"{facts.product.capitalize()} {'.'.join(map(str, oldest))}"
        yield problem("redis", f"{facts.name()} is too old", f"update it to {name} or later: docs/operations.md")
    if health.evicted_keys:
        yield warning(
            "redis",
            f"Redis has removed {health.evicted_keys:,} keys since it started because it was full (evicted_keys)",
            "set maxmemory-policy noeviction and raise maxmemory; events of that time may be missing: compare with"
            " the provider's list of deliveries. Restart Redis to set this number to 0",
        )
    if health.aof_write_failed:
        yield problem(
            "redis",
            "Redis could not write its append-only file (aof_last_write_status err)",
            "see the log of Redis for the reason, and free space on its disk",
        )
    if health.snapshot_failed:
        yield warning(
            "redis",
            "the last snapshot of Redis failed (rdb_last_bgsave_status err)",
            "see the log of Redis for the reason, and free disk space and memory on its machine",
        )
    yield from _resources(facts, health)


def _resources(facts: ServerFacts, health: ServerHealth) -> Iterator[Finding]:
    if not facts.max_memory_bytes and health.machine_memory_used > NEARLY_FULL:
        yield problem(
            "redis",
            f"Redis uses {health.machine_memory_used:.0%} of its machine's memory, and has no limit (maxmemory 0)",
            "set maxmemory below the memory of the machine, so that Redis refuses webhooks and is not killed;"
            " then give it more memory, or remove dead letters",
        )
    if health.connections_used > NEARLY_FULL:
        yield warning(
            "redis",
            f"{health.connections_used:.0%} of the connections that Redis allows are in use",
            "raise maxclients of Redis, or lower redis.max_connections of Hookline",
        )
    if health.round_trip_ms > SLOW_MS:
        yield warning(
            "redis",
            f"Redis takes {health.round_trip_ms:.0f} ms or more for each answer to this machine",
            "move Redis close to receivers and workers; if it is close, see SLOWLOG GET and what keeps it busy",
        )


def memory_findings(status: Status) -> Iterator[Finding]:
    """Servers that use most of their memory limit."""
    for text in status.nearly_full:
        yield problem("redis", text, "add workers if webhooks wait, raise maxmemory, or remove dead letters")


_SYNCHRONIZE = "synchronize the clock of that machine with NTP"


def host_clock_findings(host_ahead_ms: int) -> Iterator[Finding]:
    """The clock of this machine, if it differs from that of Redis."""
    if abs(host_ahead_ms) > OFF_MS:
        yield warning("clock", f"the clock of this machine {_off(host_ahead_ms)}", _SYNCHRONIZE)


def clock_findings(status: Status) -> Iterator[Finding]:
    """Clocks of other processes that differ from that of Redis."""
    for clock in status.clocks:
        yield warning("clock", f"the clock of {clock.process} {_off(clock.ahead_ms)}", _SYNCHRONIZE)


def _off(ahead_ms: int) -> str:
    return f"is {abs(ahead_ms) / 1000:.1f} s {'ahead of' if ahead_ms > 0 else 'behind'} that of Redis"
