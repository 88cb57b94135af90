"""`hookline forget`: options, confirmation, and the report of what was removed and what could not be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from broker.monitoring.spilled import Spilled, report_spilled
from broker.redis.client import Client
from tests.inspector.cli.command_line import command, hookline
from tests.inspector.cli.terminal import terminal
from tests.inspector.stack import accept, all_letters, make_dead_letters, sample
from tests.launcher.running import environment
from tests.launcher.running import hookline as whole_command
from tests.redis_server import RedisServer

CUSTOMER = json.loads(sample(1))["data"]["customer"]


async def test_forget_shows_what_it_removed_and_where(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(
        redis_server, redis, sample(1), hint="forget.one"
    )  # in a group of its own, so that it is not packed with other letters
    await make_dead_letters(redis_server, redis, sample(2), hint="forget.two")
    await accept(redis, sample(1), sample(3))

    result = await hookline(redis_server, "forget", "--customer", CUSTOMER["id"], "--yes")

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "removed: 1 dead letter, 1 webhook in the queue"
    assert lines[-1].startswith("not searched: exports, backups and snapshots")
    assert CUSTOMER["id"] not in result.output
    assert len(await all_letters(redis)) == 1
    again = await hookline(redis_server, "forget", "--customer", CUSTOMER["id"], "--yes")
    assert again.stdout.splitlines()[0] == "removed: nothing was found"


async def test_letters_that_were_packed_with_those_of_the_person_are_reported(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2), sample(3), hint="packed.together")

    result = await hookline(redis_server, "forget", "--customer", CUSTOMER["id"], "--yes", columns=200)

    assert result.exit_code == 1
    assert "compressed again without the person's data: 2 dead letters" in result.stdout
    assert "run it again after that" in result.stdout


async def test_with_json_the_output_is_one_line(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1), hint="forget.as.json")

    first, second = [
        await hookline(redis_server, "forget", "--email", CUSTOMER["email"], "--yes", "--json") for _ in range(2)
    ]

    record, again = json.loads(first.stdout), json.loads(second.stdout)
    assert (first.exit_code, record["letters"], record["is_complete"]) == (0, 1, True)
    assert (second.exit_code, again["letters"], again["is_complete"]) == (0, 0, True)
    assert len(first.stdout.splitlines()) == 1


async def test_incomplete_removal_is_reported_and_changes_the_exit_code(
    redis_server: RedisServer, redis: Client
) -> None:
    await report_spilled(redis, "web1:/var/spill", Spilled(segments=1, bodies=3))

    text = await hookline(redis_server, "forget", "--customer", CUSTOMER["id"], "--yes", columns=200)
    record = await hookline(redis_server, "forget", "--customer", CUSTOMER["id"], "--yes", "--json")

    assert (text.exit_code, record.exit_code) == (1, 1)
    assert "run it again when they are in Redis: web1:/var/spill" in text.stdout
    assert json.loads(record.stdout)["spilled"] == ["web1:/var/spill"]
    assert json.loads(record.stdout)["is_complete"] is False


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--yes"], "--customer, --email or --phone"),
        (["--customer", "ab", "--yes"], "at least 4 characters"),
        (["--email", " ", "--yes"], "--customer, --email or --phone"),
        (["--customer", CUSTOMER["id"]], "there is no terminal to ask on"),
    ],
)
async def test_forget_requires_a_person_and_a_confirmation(
    redis_server: RedisServer, redis: Client, arguments: list[str], expected: str
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))

    result = await hookline(redis_server, "forget", *arguments, columns=200)

    assert result.exit_code == 2
    assert expected in " ".join(result.stderr.split())
    assert len(await all_letters(redis)) == 1


@pytest.mark.parametrize(("answer", "left"), [(b"\n", 1), (b"n\n", 1), (b"y\n", 0)])
async def test_at_a_terminal_forget_asks_for_confirmation(
    redis_server: RedisServer, redis: Client, answer: bytes, left: int
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))

    async with terminal(command(redis_server, "forget", "--customer", CUSTOMER["id"])) as asking:
        await asking.says("cannot be undone. [y/N] ")
        asking.types(answer)
        assert await asking.ends() == left
        said = asking.said

    assert f"Remove all data of {CUSTOMER['id'][:2]}***? This cannot be undone." in said
    assert ("nothing removed" in said) == bool(left)
    assert ("removed: 1 dead letter" in said) == (not left)
    assert len(await all_letters(redis)) == left


def test_an_unreachable_server_is_reported_in_one_line(tmp_path: Path) -> None:
    nowhere = environment(REDIS_URL="redis://127.0.0.1:1/0", HOOKLINE_SOURCES_VOUCHERIFY_SECRETS="s" * 20)

    result = whole_command("forget", "--email", "ada@example.com", "--yes", cwd=tmp_path, env=nowhere)

    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("hookline: ") and "127.0.0.1:1" in line
    assert sys.executable not in line
