"""The client that everything of Hookline's speaks to Redis through."""

from __future__ import annotations

from typing import Any

from arq.connections import ArqRedis

from broker.clock import Clock
from broker.keys import Names


class Client(ArqRedis):
    """A connection to Redis that knows the names of Hookline's keys there, and the clock there."""

    def __init__(self, *, names: Names, pool: Any) -> None:
        """names: of the keys it works on; pool: of connections, which is this client's own and closed with it."""
        super().__init__(pool_or_conn=pool)
        self.names = names
        self.clock = Clock()
        self.auto_close_connection_pool = True
