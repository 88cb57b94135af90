"""Tests of the number of partitions, as an operator sets and changes it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from broker.namespace import layout
from broker.redis.client import Client
from tests.launcher.composition.test_namespaces import config
from tests.launcher.running import Running, environment, hookline
from tests.launcher.test_cli import one_line
from tests.redis_server import RedisServer
from tests.until import until

PARTS = ("worker", "inspector")


def layouts(server: RedisServer, count: int) -> list[bytes | None]:
    with server.client() as client:
        return [client.get(f"{{hookline:{number}}}:layout") for number in range(count)]


async def started(directory: Path, part: str, partitions: int) -> Running:
    env = environment(HOOKLINE_REDIS_PARTITIONS=str(partitions))
    running = Running("-m", "launcher", part, cwd=directory, env=env)
    await running.says(f"{part}_started")
    return running


async def command(directory: Path, partitions: int, *words: str) -> CompletedProcess[str]:
    env = environment(HOOKLINE_REDIS_PARTITIONS=str(partitions))
    return await asyncio.to_thread(hookline, *words, cwd=directory, env=env)


async def test_the_first_start_fixes_the_number_in_every_partition(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    running = await started(config(tmp_path, redis_server.url, "shop"), "receiver", 4)
    await until(lambda: layouts(redis_server, 4) == [b"4"] * 4)
    running.kill()


async def test_an_installation_from_before_numbers_were_stored_has_one_partition(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    running = await started(config(tmp_path, redis_server.url, "shop"), "receiver", 1)
    running.kill()
    with redis_server.client() as client:
        client.delete("{hookline:0}:layout")
    assert "has 1: set it to 1" in one_line(await command(tmp_path, 4, "receiver"), 2)
    running = await started(tmp_path, "receiver", 1)
    running.kill()
    assert layouts(redis_server, 2) == [b"1", None]


async def test_another_number_is_refused_until_the_data_has_moved(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    running = [
        await started(config(tmp_path, redis_server.url, "shop"), part, 1) for part in ("receiver", "worker")
    ]
    receiver, worker = running
    try:
        for part in PARTS:
            line = one_line(await command(tmp_path, 4, part), 2)
            assert "redis.partitions (HOOKLINE_REDIS_PARTITIONS) is 4" in line
            assert "set it to 1, or move the data: hookline redis repartition" in line
        checked = await command(tmp_path, 4, "check")
        assert checked.returncode == 1
        assert "hookline redis repartition" in checked.stdout

        counted = await command(tmp_path, 4, "redis", "repartition", "--dry-run")
        assert "from 1 to 4 partitions: 0 dedupe sets" in counted.stdout
        moved = await command(tmp_path, 4, "redis", "repartition", "--yes", "--json")
        assert moved.returncode == 0, moved.stderr
        assert json.loads(moved.stdout)["move"] == {"old": 1, "new": 4}
        assert layouts(redis_server, 4) == [b"4"] * 4

        assert await worker.ends() == 2
        assert "the data of the namespace" in worker.output
        await receiver.says("layout_changed")
        again = await command(tmp_path, 4, "redis", "repartition")
        assert again.stdout == "Nothing to do: the data has 4 partitions.\n"
        running += [await started(tmp_path, part, 4) for part in ("receiver", "worker")]
    finally:
        for one in running:
            one.kill()


@pytest.mark.parametrize("written", [b"0", None], ids=["overwritten", "removed"])
async def test_a_layout_that_another_program_overwrote_ends_no_process_and_is_put_back(
    tmp_path: Path, redis_server: RedisServer, written: bytes | None
) -> None:
    running = [
        await started(config(tmp_path, redis_server.url, "shop"), part, 4) for part in ("receiver", "worker")
    ]
    try:
        await until(lambda: layouts(redis_server, 4) == [b"4"] * 4)
        with redis_server.client() as client:
            if written is None:
                client.delete("{hookline:0}:layout")
            else:
                client.set("{hookline:0}:layout", written)
        await until(lambda: layouts(redis_server, 4) == [b"4"] * 4)
        assert all(one.is_running for one in running)
    finally:
        for one in running:
            one.kill()


async def test_a_number_is_not_put_back_while_data_moves(redis: Client) -> None:
    await redis.set(redis.names.layout, "garbage")
    await redis.hset(redis.names.repartition, "phase", "moving")

    assert await layout.read_restored(redis, "4") == "garbage"
    assert await redis.get(redis.names.layout) == b"garbage"
    await layout.read_restored(redis, "moving:4:16")
    assert await redis.get(redis.names.layout) == b"moving:4:16"


async def test_during_a_move_processes_with_either_number_start(tmp_path: Path, redis_server: RedisServer) -> None:
    running = [await started(config(tmp_path, redis_server.url, "shop"), "receiver", 1)]
    try:
        with redis_server.client() as client:
            client.set("{hookline:0}:layout", "moving:1:4")
        running += [await started(tmp_path, "worker", count) for count in (1, 4)]
        assert "is being moved from 1 to 4 partitions: set it to 4" in one_line(
            await command(tmp_path, 8, "receiver"), 2
        )
        checked = await command(tmp_path, 4, "check")
        assert checked.returncode == 0
        assert "is being moved from 1 to 4 partitions" in checked.stdout
    finally:
        for one in running:
            one.kill()
