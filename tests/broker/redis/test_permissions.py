"""The ACL rules of docs/redis.md are enough for each part, on a server that has seen no script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import broker
from broker import dead_letters
from broker.dead_letters import stored_actions
from broker.monitoring import audit, drift
from broker.namespace import layout
from broker.namespace.installation import Sender, claim
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.errors import Forbidden
from broker.redis.partitions import Partitions
from broker.redis.server.permissions import find_denied
from inspector.operations import search, single_letter
from inspector.operations.filters import Filter
from inspector.operations.groups.failure_groups import list_groups
from inspector.operations.status import read_channels, read_status
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from tests.broker.repartition.installation import change, connected, fill
from tests.inspector.stack import run_action, wait_until_idle
from tests.main_job import run_main_job
from tests.redis_server import RedisServer
from tests.redis_users import limited, user_url

DOCUMENT = Path(broker.__file__).parents[1] / "docs" / "redis.md"
RULE = re.compile(r"^ACL SETUSER hookline-(\w+) on >PASSWORD (.*?)^```", re.DOTALL | re.MULTILINE)
REPARTITION = re.compile(
    r"redis repartition`, with the rule of the inspector: `([^`]*)`, and for more speed\n  `([^`]*)`"
)
OPTIONAL = {"config|get", "client|setinfo", "config", "client"}
"""Commands that may be refused. Redis 6.2 logs them without the subcommand."""

SOURCES = {"voucherify": SourceSettings(secrets=(Secret("s" * 32),))}


@pytest.fixture
def rules() -> dict[str, list[str]]:
    """The documented ACL rules by part."""
    return {name: words.split() for name, words in RULE.findall(DOCUMENT.read_text("utf-8"))}


def user(server: RedisServer, part: str, rules: dict[str, list[str]]) -> Settings:
    return Settings(url=user_url(server, *rules[part], name=f"hookline-{part}"))


def denied(server: RedisServer) -> set[str]:
    """The commands and keys that Redis refused because of permissions, apart from optional ones."""
    with server.client() as admin:
        entries = [entry for entry in admin.acl_log(1000) if not is_permission_check(entry)]
    return {entry["object"] for entry in entries} - OPTIONAL


def is_permission_check(entry: Mapping[str, str]) -> bool:
    """True for the receiver's check whether a worker with the same user could run: see find_denied."""
    return (entry["username"], entry["context"]) == ("hookline-receiver", "multi")


async def read_everything(redis: Client) -> None:
    """Read what the inspector shows without changing anything."""
    await read_status(Partitions([redis]), SOURCES)
    await read_channels(Partitions([redis]), ["crm"])
    letters = await dead_letters.newest(redis, count=10)
    assert len(letters) == 2
    for letter_filter in (Filter(), Filter(channel="crm"), Filter(search="c1"), Filter(since_ms=1)):
        await search.find(Partitions([redis]), letter_filter)
        await search.count(Partitions([redis]), letter_filter)
    assert await search.get(Partitions([redis]), letters[0].id)
    assert await search.choices(Partitions([redis]))
    assert await list_groups(Partitions([redis]))
    await audit.read(redis)
    await stored_actions.recent(redis)
    await stored_actions.interrupted(redis)
    await drift.read(redis, SOURCES)


async def test_a_user_with_the_rule_of_the_inspector_lacks_nothing(
    redis_server: RedisServer, rules: dict[str, list[str]]
) -> None:
    async with limited(redis_server, *rules["inspector"]) as client:
        assert (await find_denied(client)).texts() == []


async def test_the_rules_of_receiver_and_worker_have_all_that_they_need(
    redis_server: RedisServer, rules: dict[str, list[str]]
) -> None:
    async with limited(redis_server, *rules["receiver"]) as client:
        assert (await find_denied(client, ("receiver",))).texts() == []
    async with limited(redis_server, *rules["worker"]) as client:
        assert (await find_denied(client, ("receiver", "worker"))).texts() == []


async def test_every_part_can_claim_the_number_of_partitions(
    own_redis: RedisServer, rules: dict[str, list[str]]
) -> None:
    for part in ("receiver", "worker", "inspector"):
        client = connect(user(own_redis, part, rules))
        assert (await claim(client, [Sender("shop", "voucherify", (b"one",))], partitions=2)).layout == "2"
        assert await layout.read(client) == await layout.read_stored(client) == "2"
        assert await layout.spread([client], "2")
        await client.aclose(close_connection_pool=True)
    reader = connect(user(own_redis, "reader", rules))
    assert await layout.read(reader) == "2"
    await reader.aclose(close_connection_pool=True)
    assert denied(own_redis) == set()


@pytest.mark.parametrize("with_speed", [True, False], ids=["with-dump", "without-dump"])
async def test_data_moves_with_the_documented_permissions(
    own_redis: RedisServer, rules: dict[str, list[str]], with_speed: bool
) -> None:
    [needed, for_speed] = REPARTITION.findall(DOCUMENT.read_text("utf-8"))[0]
    words = [*rules["inspector"], *needed.split(), *(for_speed.split() if with_speed else [])]
    partitions = connected(own_redis.url, 1)
    await fill(partitions)
    await partitions.aclose()
    mover = user_url(own_redis, *words, name="hookline-mover")
    for count in (4, 1):
        assert await change(mover, count)
    assert denied(own_redis) == (set() if with_speed else {"dump"})


async def test_the_main_job_runs_with_one_user_for_each_part(
    own_redis: RedisServer, rules: dict[str, list[str]]
) -> None:
    parts = {part: user(own_redis, part, rules) for part in rules}
    status, _ = await run_main_job(parts["receiver"], parts["worker"], parts["inspector"])
    assert status.risks == []

    client = connect(parts["inspector"])
    letters = await dead_letters.newest(client, count=10)
    assert await single_letter.add_note(Partitions([client]), letters[0].id, "seen", by="ann")
    assert await single_letter.reveal(Partitions([client]), letters[0].id, by="ann")
    await run_action(client, "discard", [letters[0].id])
    await run_action(client, "replay", [letters[1].id])
    await client.aclose(close_connection_pool=True)

    assert denied(own_redis) == set()


async def test_a_user_that_only_reads_sees_everything_and_changes_nothing(
    own_redis: RedisServer, rules: dict[str, list[str]]
) -> None:
    inspector, reader = user(own_redis, "inspector", rules), user(own_redis, "reader", rules)
    await run_main_job(inspector)
    client = connect(reader)
    await read_everything(client)
    assert denied(own_redis) == {"set"}  # the trial write of the status
    status = await read_status(Partitions([client]))
    with pytest.raises(Forbidden):
        await single_letter.reveal(
            Partitions([client]), (await dead_letters.newest(client, count=1))[0].id, by="ann"
        )
    await wait_until_idle(client)
    await client.aclose(close_connection_pool=True)

    assert status.risks == []
    assert "this Redis user may not write" in status.notes[0]
