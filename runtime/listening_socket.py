"""Sockets that servers listen on."""

from __future__ import annotations

import socket


def listen(host: str, port: int, *, backlog: int | None = None) -> socket.socket:
    """A listening socket, which several processes can share; `::` takes IPv4 too. Raises OSError.

    `backlog`: connections that the kernel keeps until they are accepted. None: Python's default.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    is_dual_stack = str(address[0]) == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (str(address[0]), int(address[1])), family=family, backlog=backlog, dualstack_ipv6=is_dual_stack
    )
