"""The connections of one process: how many there may be, and which gives way to a new one."""

from __future__ import annotations

import resource
from typing import Protocol

_OTHER_FILES = 128
"""Files that are no connections: Redis, logs, the listening sockets."""


class Connection(Protocol):
    """What is counted here."""

    def close(self) -> None:
        """Close once what was read is answered."""
        ...

    def force_close(self) -> None:
        """Close now."""
        ...


class Connections:
    """A crowd of idle connections keeps nobody out: the one that has been idle longest gives way to the next."""

    def __init__(self, limit: int) -> None:
        self.busy: set[Connection] = set()
        """Those with a request that is being handled."""

        self.idle: dict[Connection, None] = {}
        """The others, the longest idle first."""

        self._limit = limit

    def __len__(self) -> int:
        return len(self.busy) + len(self.idle)

    def add(self, connection: Connection) -> bool:
        """Count one; False where there are too many and each is busy, which leaves it uncounted."""
        if len(self) >= self._limit:
            oldest = next(iter(self.idle), None)
            if oldest is None:
                return False
            del self.idle[oldest]
            oldest.force_close()
        self.idle[connection] = None
        return True

    def begin(self, connection: Connection) -> None:
        """It has a request now."""
        self.idle.pop(connection, None)
        self.busy.add(connection)

    def end(self, connection: Connection) -> None:
        """Its request is answered. No effect on one that is gone."""
        if connection in self.busy:
            self.busy.discard(connection)
            self.idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """It is gone."""
        self.idle.pop(connection, None)
        self.busy.discard(connection)


def affordable(connections: int) -> int:
    """How many of so many connections the limit on open files allows, after raising it as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(connections, max(soft, allowed) - _OTHER_FILES))
