"""Ports to listen on, for what must know its port before it starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from itertools import count

_PORTS = count(20_000 + secrets.randbelow(11_000))


def free_port() -> int:
    """One where nobody listens, given once in this process.

    It is below those (from 32768) that Linux gives to connections, one of which may take any other in between.
    """
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
