"""Tests that the documented permissions are enough for a whole run, on a server that has no script loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import broker
from broker.redis.connection import Settings, connect
from broker.redis.permissions import find_denied
from inspector.operations.status import read_status
from tests.inspector.stack import TO_CRM, accept, crm, running_receiver, running_worker, sample, wait_until_idle
from tests.redis_server import RedisServer
from tests.redis_users import limited, user_url


@pytest.fixture
def rules() -> list[str]:
    """Return the ACL rules of the three lists in docs/operations.md."""
    text = Path(broker.__file__).parents[1].joinpath("docs", "operations.md").read_text("utf-8")
    section = text.partition("## A Redis user with few permissions")[2].partition("\n## ")[0]
    listed = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    return ["~{hookline:*}:*", "+multi", "+exec", *" ".join(listed).split()]


async def test_a_user_with_the_documented_permissions_lacks_none(
    redis_server: RedisServer, rules: list[str]
) -> None:
    async with limited(redis_server, *rules) as client:
        assert (await find_denied(client)).texts() == []


async def test_a_whole_run_needs_no_other_permission(own_redis: RedisServer, rules: list[str]) -> None:
    own_redis.url = user_url(own_redis, *rules)
    client = connect(Settings(url=own_redis.url))
    async with running_receiver() as server, running_worker(own_redis, rules=TO_CRM, channels=crm(server.url)):
        await accept(client, sample(1), sample(2), sample(2), b"{")
        await wait_until_idle(client)
        server.status = 400
        await accept(client, sample(3))
        await wait_until_idle(client)
        status = await read_status(client)
    await client.aclose(close_connection_pool=True)

    assert (status.totals.sent, status.totals.dead, status.dead_letters) == (2, 1, 2)
    assert status.risks() == []
    with own_redis.client() as admin:
        denied = {entry["object"] for entry in admin.acl_log()}
    assert denied <= {"config|get", "client|setinfo"}  # both are optional
