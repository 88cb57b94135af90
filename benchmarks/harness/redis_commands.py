"""Measures how long commands take in Redis: by INFO commandstats and SLOWLOG, while other clients use it."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import redis
from msgspec import Struct

_SHORTEST_US = 100
"""The time from which on a call of a script counts. A commit of a batch takes longer."""

_SCRIPTS = ("eval", "evalsha")


class CommandTimes(Struct, frozen=True):
    """The times that commands took since `watch`, by the clock: other work on the machine makes them longer."""

    us: Mapping[str, float]
    """By command: microseconds of all calls, also of those in scripts, whose times include them."""

    scripts_ms: list[float]
    """Milliseconds of each call of a script, the shortest first; without those of less than 0.1 ms."""

    def shown(self, events: int) -> str:
        """Return the microseconds for each of so many events, by command."""
        inside = sorted(self.us.keys() - {*_SCRIPTS, "xreadgroup"}, key=lambda name: -self.us[name])
        parts = ", ".join(f"{name} {self.us[name] / events:.2f}" for name in inside[:3])
        reading = self.us.get("xreadgroup", 0.0) / events
        return f"scripts {self.in_scripts_us() / events:.1f} us, of which {parts}; xreadgroup {reading:.2f}"

    def in_scripts_us(self) -> float:
        """Return the microseconds that all calls of scripts took."""
        return sum(self.us.get(name, 0.0) for name in _SCRIPTS)

    def script_ms(self) -> float:
        """Return the milliseconds of a call of a script, the median."""
        return median(self.scripts_ms)


def watch(client: redis.Redis) -> None:
    """Forget the times of earlier commands."""
    client.config_set("slowlog-log-slower-than", _SHORTEST_US)
    client.config_set("slowlog-max-len", 100_000)
    client.config_resetstat()
    client.slowlog_reset()


def times(client: redis.Redis) -> CommandTimes:
    """Return the times of commands since `watch`."""
    statistics: Any = client.info("commandstats")
    slow: Any = client.slowlog_get(100_000)
    scripts = (call["duration"] / 1000 for call in slow if call["command"].lower().startswith(b"eval"))
    us = {name.removeprefix("cmdstat_"): float(row["usec"]) for name, row in statistics.items()}
    return CommandTimes(us, sorted(scripts))
