"""Redis users with limited permissions, and a server that refuses writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from tests.redis_server import RedisServer
from tests.until import until

PASSWORD = "limited-password"


def user_url(server: RedisServer, *rules: str, name: str = "limited") -> str:
    """Return the URL of the server for a user with these ACL rules."""
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", "&*", *rules)  # type: ignore[no-untyped-call]
    return f"unix://{name}:{PASSWORD}@{server.socket}"


@asynccontextmanager
async def limited(server: RedisServer, *rules: str) -> AsyncIterator[Client]:
    """Yield a client of a user with these ACL rules."""
    client = connect(Settings(url=user_url(server, *rules)))
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


async def refuse_writes(server: RedisServer, directory: Path) -> None:
    """Make the server fail to save a snapshot, after which it answers MISCONF to each write.

    The server must run with `enable-protected-configs yes`.
    """
    lost = directory / "lost"
    lost.mkdir()
    with server.client() as admin:
        admin.config_set("dir", str(lost))
        lost.rmdir()
        admin.config_set("save", "3600 1")
        admin.set("changed", "1")
        admin.bgsave()
        await until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")


async def accept_writes(server: RedisServer) -> None:
    """Let the server save snapshots again."""
    with server.client() as admin:
        admin.config_set("stop-writes-on-bgsave-error", "no")
    await asyncio.sleep(0)
