"""The address of the server that a client uses."""

from __future__ import annotations

from broker.redis.client import Client


def node_of(redis: Client) -> str:
    """Return `host:port` or the path of a socket; "" if the primary is not known yet."""
    options = redis.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    finder = options.get("finder")
    if finder is None:
        return f"{options['host']}:{options['port']}"
    if finder.primary is None:
        return ""
    host, port = finder.primary
    return f"{host}:{port}"
