"""Replay, discard and status on the command line, for people and for scripts."""

import json
import os
import pty
import signal
import subprocess

import pytest

from broker.redis.client import Client
from broker.redis.errors import Unavailable
from tests.inspector.cli.command_line import command, hookline, refused_by_crm
from tests.inspector.stack import accept, all_letters, make_dead_letters, sample
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until


async def test_a_filtered_replay_leaves_other_letters(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    await make_dead_letters(redis_server, redis, sample(2), sample(3))

    result = await hookline(redis_server, "dead", "replay", "--stage", "intake", "--yes")

    assert result.exit_code == 0
    assert result.stdout == "replayed 2 of 2 dead letters\n"
    # Versions of rich differ in whether a progress bar that is not shown ends with an empty line.
    assert result.stderr.rstrip() == "to replay: 2 dead letters that died at intake"
    assert [letter.stage for letter in await all_letters(redis)] == ["notify"]


@pytest.mark.parametrize(
    "arguments",
    [("replay",), ("discard",), ("replay", "0" * 17, "--all"), ("discard", "0" * 17, "--source", "x", "--yes")],
)
async def test_letters_are_selected_either_by_ids_or_by_a_filter(
    redis_server: RedisServer, arguments: tuple[str, ...]
) -> None:
    assert (await hookline(redis_server, "dead", *arguments)).exit_code == 2


@pytest.mark.parametrize("verb", ["replay", "discard"])
async def test_without_a_terminal_a_filter_needs_yes(redis_server: RedisServer, redis: Client, verb: str) -> None:
    await make_dead_letters(redis_server, redis, sample(1))

    result = await hookline(redis_server, "dead", verb, "--all")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert len(await all_letters(redis)) == 1


async def test_a_named_letter_is_replayed_without_asking_but_not_discarded(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    (letter,) = await all_letters(redis)

    assert (await hookline(redis_server, "dead", "discard", letter.id)).exit_code == 2
    assert (await hookline(redis_server, "dead", "replay", letter.id, letter.id)).exit_code == 0
    assert await all_letters(redis) == []


async def test_discard_prints_what_it_did(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2))

    result = await hookline(redis_server, "dead", "discard", "--all", "--yes", "--json")

    record = json.loads(result.stdout)
    assert (result.exit_code, record["selected"], record["done"], record["missing"]) == (0, 2, 2, 0)


async def test_status_shows_both_sums_on_a_line_each(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)

    result = await hookline(redis_server, "status")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].rstrip() == "accepted 1 = processed 1 + duplicate 0 + dead_at_intake 0 + queued 0  ok"
    assert lines[1].rstrip() == "created 1 = sent 0 + skipped 0 + dead 1 + waiting 0  ok"
    assert max(len(line) for line in lines) <= 80


async def test_status_ends_with_1_when_a_sum_is_off(redis_server: RedisServer, redis: Client) -> None:
    await redis.hincrby(KEYS.stats_total, "accepted", 3)

    table, record = await hookline(redis_server, "status"), await hookline(redis_server, "status", "--json")

    assert (table.exit_code, record.exit_code) == (1, 1)
    assert "off by 3" in table.stdout
    assert json.loads(record.stdout)["bodies_add_up"] is False


async def test_redis_being_away_is_a_broker_error(own_redis: RedisServer) -> None:
    own_redis.stop()

    with pytest.raises(Unavailable):
        await hookline(own_redis, "status")


async def test_status_watch_draws_until_ctrl_c(redis_server: RedisServer, redis: Client) -> None:
    watch = command(redis_server, "status", "--watch", "--json")
    async with running_program(*watch, stdout=subprocess.PIPE) as watching:
        assert watching.stdout
        first = json.loads(await watching.stdout.readline())
        await accept(redis, sample(1))
        second = json.loads(await watching.stdout.readline())
        watching.send_signal(signal.SIGINT)

        assert await watching.wait() == 0
    assert (first["queued"], second["queued"]) == (0, 1)


async def test_status_watch_ends_with_1_when_a_sum_was_off_at_last(
    redis_server: RedisServer, redis: Client
) -> None:
    await redis.hincrby(KEYS.stats_total, "created", 2)
    watch = command(redis_server, "status", "--watch")
    async with running_program(*watch, stdout=subprocess.PIPE) as watching:
        assert watching.stdout
        shown = await watching.stdout.readuntil(b"off by 2")
        watching.send_signal(signal.SIGINT)

        assert await watching.wait() == 1
    assert b"accepted 0 =" in shown


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"y\n", 0)])
async def test_on_a_terminal_discard_asks_for_confirmation(
    redis_server: RedisServer, redis: Client, answer: bytes, left: int
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    ours, theirs = pty.openpty()
    discard = command(redis_server, "dead", "discard", "--all")
    try:
        os.set_blocking(ours, False)
        output = bytearray()

        def asks() -> bool:
            try:
                output.extend(os.read(ours, 1000))
            except BlockingIOError:
                return False
            return b"Discard 1 dead letter?" in output

        async with running_program(*discard, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as asking:
            await until(asks)
            os.write(ours, answer)
            out, _ = await asking.communicate()
    finally:
        os.close(ours)
        os.close(theirs)

    assert asking.returncode == (1 if left else 0)
    assert out == (b"" if left else b"discarded 1 of 1 dead letter\n")
    assert len(await all_letters(redis)) == left
