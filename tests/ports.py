"""Ports for programs that must know their port before they start."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from itertools import count

_PORTS = count(20_000 + secrets.randbelow(11_000))


def free_port() -> int:
    """Return a port on which no process listens, each only once in this process.

    The port is below those (from 32768) that Linux gives to outgoing connections, which could use it in between.
    """
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
