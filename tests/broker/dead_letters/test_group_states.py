"""Decisions about failure groups are changed together with an audit entry, and expire without letters."""

from __future__ import annotations

import pytest

from broker import dead_letters
from broker.dead_letters import group_states
from broker.dead_letters.group_states import GroupChange, GroupState, TooManyGroupsError
from broker.merged.group_states import keep_states, read_states, resolve
from broker.monitoring import audit
from broker.redis.client import Client
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from tests.broker.dead_letters.test_dead_letters import stored_letter
from tests.inspector.stack import add_stored
from tests.names import KEYS
from tests.redis_server import RedisServer

MUTE = GroupChange(what="mute", set={"muted_by": "ann", "muted_until_ms": "0"}, stamp="muted_ms")
UNMUTE = GroupChange(what="unmute", unset=("muted_ms", "muted_by", "muted_until_ms"))
RESOLVE = GroupChange(what="resolve", set={"resolved_by": "ann"}, stamp="resolved_ms", knows="forget")
KEPT_MS = group_states.KEPT_S * 1000


async def audited(redis: Client) -> list[tuple[str, str]]:
    return [(row.audit_entry.what, row.audit_entry.about) for row in await audit.read(redis)]


async def test_a_change_whose_answer_was_lost_is_made_and_audited_once(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as sent_twice:
        sent_twice.setattr(group_states, "new_id", lambda: "same")
        for _ in range(2):
            assert await group_states.change(redis, "aa", MUTE, by="ann")
    assert await audited(redis) == [("mute", "group aa")]
    assert (await group_states.read(redis))["aa"].muted_by == "ann"

    assert await group_states.change(redis, "aa", UNMUTE, by="ann")
    assert not await group_states.change(redis, "aa", UNMUTE, by="ann")
    assert await audited(redis) == [("unmute", "group aa"), ("mute", "group aa")]
    assert not [key async for key in redis.scan_iter(KEYS.dead_group + "*")], "nothing is decided any more"
    assert not await redis.exists(KEYS.dead_group_states)


async def test_decisions_expire_unless_the_group_has_letters(redis: Client) -> None:
    letter = stored_letter(1)
    await add_stored(redis, [letter])
    kept, gone = letter.letter.fingerprint, "aa"
    for name in (kept, gone):
        await group_states.change(redis, name, MUTE, by="ann")
        assert 0 < await redis.pttl(KEYS.dead_group + name) <= KEPT_MS
        await redis.pexpire(KEYS.dead_group + name, 60_000)
        await redis.zadd(KEYS.dead_group_states, {name: 60_000})
    await redis.pexpire(KEYS.dead_group_states, 60_000)

    await keep_states(Partitions([redis]))

    assert await redis.pttl(KEYS.dead_group + kept) > 60_000
    assert await redis.pttl(KEYS.dead_group_states) > 60_000
    assert await redis.pttl(KEYS.dead_group + gone) <= 60_000
    await redis.delete(KEYS.dead_group + gone)  # as its expiry would
    assert set(await group_states.read(redis)) == {kept}
    await group_states.change(redis, kept, UNMUTE, by="ann")
    assert not await redis.exists(KEYS.dead_group_states)


async def test_only_so_many_groups_have_decisions_and_a_change_of_one_of_them_is_always_possible(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_states, "MOST_GROUPS", 2)
    for name in ("aa", "bb"):
        await group_states.change(redis, name, MUTE, by="ann")
    with pytest.raises(TooManyGroupsError):
        await group_states.change(redis, "cc", MUTE, by="ann")
    assert await group_states.change(redis, "bb", RESOLVE, by="ann")
    assert len(await audited(redis)) == 3
    await redis.zadd(KEYS.dead_group_states, {"aa": 1})  # it has expired
    assert await group_states.change(redis, "cc", MUTE, by="ann")


async def test_values_that_hookline_never_writes_are_read_as_no_decision(redis: Client) -> None:
    await redis.zadd(KEYS.dead_group_states, {"aa": 2**52, "../x": 2**52, b"\xff": 2**52})
    await redis.hset(KEYS.dead_group + "aa", mapping={"muted_ms": "soon", "note": b"\xff", "other": "1"})  # type: ignore[misc]
    assert await group_states.read(redis) == {"aa": GroupState(note="\\xff")}


async def test_a_letter_in_any_partition_opens_a_resolved_group_and_is_news(three_partitions: Partitions) -> None:
    letter = stored_letter(1)
    name = letter.letter.fingerprint
    for redis in three_partitions:
        await add_stored(redis, [letter])
    await resolve(three_partitions, name, RESOLVE, by="ann")
    assert (await read_states(three_partitions))[name].name(0) == "resolved"
    assert not any([(await dead_letters.read_unreported(redis)).new for redis in three_partitions])

    await add_stored(three_partitions[2], [stored_letter(2)])

    assert (await read_states(three_partitions))[name].name(0) == "open"
    assert name in (await dead_letters.read_unreported(three_partitions[2])).new


async def test_a_group_is_not_resolved_while_a_partition_is_away(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    letter = stored_letter(1)
    await add_stored(spread_partitions[1], [letter])
    own_redis.kill()

    with pytest.raises(Unavailable, match=r"partition 1 is away, so group [0-9a-f]+ is not resolved: repeat this"):
        await resolve(spread_partitions, letter.letter.fingerprint, RESOLVE, by="ann")

    assert not await group_states.read(spread_partitions.control)
    assert not await audited(spread_partitions.control)


async def test_decisions_that_cannot_be_read_do_not_hide_the_groups(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    reversed_partitions = Partitions([spread_partitions[1], spread_partitions[0]])
    own_redis.kill()
    away: dict[int, Exception] = {}
    assert await read_states(reversed_partitions, away=away) == {}  # type: ignore[arg-type]
    assert list(away) == [1]


async def test_what_another_program_wrote_among_new_groups_is_removed(redis: Client) -> None:
    mapping = {b"abc": b"\xff", b"\xff": b"abc", b"def": b"ghi"}
    await redis.hset(redis.names.dead_unreported, mapping=mapping)  # type: ignore[arg-type, misc]
    assert (await dead_letters.read_unreported(redis)).new == {"def": "ghi"}
    assert await redis.hkeys(redis.names.dead_unreported) == [b"def"]  # type: ignore[misc]
