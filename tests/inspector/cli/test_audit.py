"""Each change is in the audit log, at whichever command the process was killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Struct

from broker.dead_letters import stored_actions
from broker.monitoring import audit, stats
from broker.queue import channel_state
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, search, single_letter
from inspector.operations.export.export import export_lines
from inspector.operations.filters import Filter
from tests.inspector.stack import all_letters
from tests.inspector.web.dead_letter_fixtures import add_dead_letters, refused
from tests.redis_server import RedisServer


class Died(BaseException):
    """The death of the process between two commands to Redis."""


class AuditEntry(Struct, frozen=True):
    what: str
    do: Callable[[Client, str, str], Awaitable[Any]]
    """Called with a letter and an action."""

    is_done: Callable[[Client, str, str], Awaitable[bool]]
    before: Callable[[Client, str], Awaitable[Any]] | None = None
    """Called with the action before the test: what another process did first."""


async def _state(redis: Client, action: str) -> str:
    stored_action = await stored_actions.read(redis, action)
    return stored_action.state if stored_action else ""


async def _has_begun(redis: Client, verb: str) -> bool:
    return verb in [action.request.verb for action in await stored_actions.recent(redis)]


async def _notes(redis: Client, letter: str) -> list[str]:
    stored_letter = await search.get(Partitions([redis]), letter)
    return [note.text for note in stored_letter.notes] if stored_letter else []


async def _paused(redis: Client) -> bool:
    return any(channel.paused_since_ms for channel in await channel_state.read_channels(redis))


async def _begin_all(redis: Client, verb: Any) -> None:
    await bulk_actions.begin(
        Partitions([redis]), verb, await bulk_actions.select(Partitions([redis]), Filter()), by="ann", owner="me"
    )


async def _is_edited(redis: Client, letter: str, _: str) -> bool:
    return bool((await stats.read_totals(redis)).edited) and bool(await _notes(redis, letter))


async def _is_running(redis: Client, _: str, action: str) -> bool:
    return await _state(redis, action) == "running"


async def _is_stopped(redis: Client, _: str, action: str) -> bool:
    return await _state(redis, action) == "stopped"


async def _is_noted(redis: Client, letter: str, _: str) -> bool:
    return "checked" in await _notes(redis, letter)


AUDIT_ENTRIES = [
    AuditEntry(
        "resume",
        lambda r, _, action: stored_actions.resume(r, action, by="ann", owner="me"),
        _is_running,
        before=lambda r, action: stored_actions.stop(r, action, by="bob"),
    ),
    AuditEntry("discard", lambda r, _, __: _begin_all(r, "discard"), lambda r, _, __: _has_begun(r, "discard")),
    AuditEntry("stop", lambda r, _, action: stored_actions.stop(r, action, by="ann"), _is_stopped),
    AuditEntry(
        "annotate",
        lambda r, letter, _: single_letter.add_note(Partitions([r]), letter, "checked", by="ann"),
        _is_noted,
    ),
    AuditEntry(
        "edit",
        lambda r, letter, _: single_letter.replay_edited(Partitions([r]), letter, b"{}", by="ann"),
        _is_edited,
    ),
    AuditEntry("pause", lambda r, _, __: channel_state.pause(r, "crm", by="ann"), lambda r, _, __: _paused(r)),
]


def mortal(url: str, *, commands: int) -> Client:
    """A client whose process dies after this number of commands."""
    redis = connect(Settings(url=url))
    send, left = redis.execute_command, commands

    async def send_or_die(*words: Any, **options: Any) -> Any:
        nonlocal left
        if not left:
            raise Died
        left -= 1
        return await send(*words, **options)

    redis.execute_command = send_or_die  # type: ignore[method-assign]
    return redis


async def _dies_after(server: RedisServer, redis: Client, audit_entry: AuditEntry, commands: int) -> bool:
    """Return whether the process died. Its changes are in the log, and nothing else is."""
    with server.client() as client:
        client.flushall()
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    action = await bulk_actions.begin(
        Partitions([redis]), "replay", [stored_letter.letter.id], by="bob", owner="other"
    )
    if audit_entry.before:
        await audit_entry.before(redis, action)
    dying = mortal(server.url, commands=commands)
    try:
        await audit_entry.do(dying, stored_letter.letter.id, action)
        died = False
    except Died:
        died = True
    finally:
        await dying.aclose(close_connection_pool=True)
    recorded = [row.audit_entry.what for row in await audit.read(redis) if row.audit_entry.by == "ann"]
    done = await audit_entry.is_done(redis, stored_letter.letter.id, action)
    assert recorded == ([audit_entry.what] if done else []), f"died after {commands} commands"
    assert died or done
    return died


@pytest.mark.parametrize("audit_entry", AUDIT_ENTRIES, ids=lambda audit_entry: audit_entry.what)
async def test_a_process_killed_at_any_command_leaves_no_change_without_an_audit_entry(
    redis_server: RedisServer, redis: Client, audit_entry: AuditEntry
) -> None:
    commands = 0
    while await _dies_after(redis_server, redis, audit_entry, commands):
        commands += 1
        assert commands < 20
    assert commands


@pytest.mark.parametrize("what", ["reveal", "export"])
async def test_a_letter_is_revealed_only_after_its_audit_entry_is_written(
    redis_server: RedisServer, redis: Client, what: str
) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    for commands in range(20):
        dying = mortal(redis_server.url, commands=commands)
        try:
            if what == "reveal":
                seen = bool(await single_letter.reveal(Partitions([dying]), stored_letter.letter.id, by="ann"))
            else:
                seen = bool(await anext(export_lines(Partitions([dying]), Filter(), by="ann")))
        except Died:
            continue
        finally:
            await dying.aclose(close_connection_pool=True)
        assert seen
        assert await audit.read(redis)
        return
    pytest.fail("never seen")


async def test_a_repeated_command_adds_no_second_audit_entry(redis: Client) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    action = await bulk_actions.begin(
        Partitions([redis]), "discard", [stored_letter.letter.id], by="ann", owner="me"
    )
    for _ in range(2):
        await channel_state.pause(redis, "crm", by="ann")
        await stored_actions.stop(redis, action, by="ann")
    for _ in range(2):
        await stored_actions.resume(redis, action, by="ann", owner="me")
        await channel_state.resume(redis, "crm", by="ann")

    recorded = [row.audit_entry.what for row in await audit.read(redis)]
    assert recorded == ["resume", "resume", "stop", "pause", "discard"]
    assert len(await all_letters(redis)) == 1
