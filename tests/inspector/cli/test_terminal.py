"""The progress of bulk actions at a real terminal, and Ctrl-C."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from broker.dead_letters import stored_actions
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations.status import read_status
from tests.inspector.cli.command_line import command
from tests.inspector.cli.terminal import CTRL_C, terminal
from tests.inspector.stack import all_letters
from tests.inspector.web.dead_letter_fixtures import add_dead_letters, refused
from tests.redis_server import RedisServer


@pytest.mark.parametrize("columns", [60, 120])
async def test_ctrl_c_stops_a_replay_and_shows_how_to_continue(
    redis_server: RedisServer, redis: Client, columns: int
) -> None:
    await add_dead_letters(redis, [refused(number) for number in range(60)])
    replay = command(redis_server, "dead", "replay", "--all", "--rate", "40/s")

    async with terminal(replay, columns=columns) as watched:
        await watched.says("Replay 60 dead letters? [y/N] ")
        watched.types(b"y\n")
        await watched.says("20/60")
        watched.types(CTRL_C)
        assert await watched.ends() == 130
        drawn, said = watched.drawn, watched.said

    [action] = await stored_actions.recent(redis)
    assert (action.state, len(await all_letters(redis))) == ("stopped", 60 - action.done)
    assert 0 < action.done < 60
    resume = f"hookline dead resume {action.id}"
    assert drawn[1] == f"Ctrl-C stops it; {resume} continues it"
    assert drawn[-3:-1] == [
        f"replayed {action.done} of 60 dead letters, {60 - action.done} left unchanged",
        f"to continue: {resume}",
    ]
    bars = [line for line in watched.frames if "/60" in line and "^C" not in line]
    assert bars and all(line.startswith("replaying ") and cell_len(line) <= columns for line in bars)
    assert len({line.index("/60") for line in bars}) == 1, "the bar does not jump"
    assert said.count("\x1b[?25h") == 1, "the cursor is shown again"

    async with terminal(command(redis_server, *resume.split()[1:]), columns=columns) as resumed:
        assert await resumed.ends() == 0
        assert resumed.drawn[-2] == "replayed 60 of 60 dead letters"
    totals = (await read_status(Partitions([redis]))).totals
    assert (totals.replayed, totals.waiting) == (60, 60)


async def test_a_slow_replay_shows_its_speed(redis_server: RedisServer, redis: Client) -> None:
    await add_dead_letters(redis, [refused(number) for number in range(4)])
    async with terminal(command(redis_server, "dead", "replay", "--all", "--yes", "--rate", "2/s")) as watched:
        assert await watched.ends() == 0
        assert any(re.search(r" [12]\.\d/s ", line) for line in watched.frames)


async def test_ctrl_c_shows_how_to_continue_while_redis_is_away(own_redis: RedisServer) -> None:
    redis = connect(Settings(url=own_redis.url))
    await add_dead_letters(redis, [refused(number) for number in range(4)])
    await redis.aclose(close_connection_pool=True)
    async with terminal(command(own_redis, "dead", "replay", "--all", "--yes", "--rate", "0.2/s")) as watched:
        await watched.says("1/4")
        own_redis.kill()
        watched.types(CTRL_C)
        assert await watched.ends() == 1
        assert "to continue: hookline dead resume " in watched.said
