"""The connections of one process: their limit, and which one is closed for a new one."""

from __future__ import annotations

import resource
from typing import Protocol

_OTHER_FILES = 128
"""Open files that are not client connections: Redis, logs, listening sockets."""


class Connection(Protocol):
    """The methods of a connection that are used here."""

    def close(self) -> None:
        """Close after the response to the current request."""
        ...

    def force_close(self) -> None:
        """Close without waiting for a response."""
        ...


class Connections:
    """Limits the connections. At the limit, the one that has been idle longest is closed for a new one.

    So many idle connections cannot keep other clients out.
    """

    def __init__(self, limit: int) -> None:
        self.busy: set[Connection] = set()
        """Connections with a request that is being handled."""

        self.idle: dict[Connection, None] = {}
        """Connections without a request, the longest idle first."""

        self.is_stopping = False
        """True once each response is to close its connection."""

        self._limit = limit

    def __len__(self) -> int:
        return len(self.busy) + len(self.idle)

    def add(self, connection: Connection) -> bool:
        """Add a connection. Returns False and does not add it if the limit is reached and all are busy."""
        if len(self) >= self._limit:
            oldest = next(iter(self.idle), None)
            if oldest is None:
                return False
            del self.idle[oldest]
            oldest.force_close()
        self.idle[connection] = None
        return True

    def begin(self, connection: Connection) -> None:
        """Mark a connection as busy: its request is being handled."""
        self.idle.pop(connection, None)
        self.busy.add(connection)

    def end(self, connection: Connection) -> None:
        """Mark a connection as idle: its request is answered. Does nothing for a removed one."""
        if connection in self.busy:
            self.busy.discard(connection)
            self.idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self.idle.pop(connection, None)
        self.busy.discard(connection)


def affordable(connections: int) -> int:
    """How many connections the limit on open files allows, up to `connections`. Raises the limit if possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(connections, max(soft, allowed) - _OTHER_FILES))
