"""The drill of docs/backup.md, with its own commands: Redis is destroyed, and restored from a snapshot."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from broker.monitoring import stats
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from launcher.embedded.server_binary import find_server
from sources.secret import Secret
from tests.deploy.containers import ROOT
from tests.inspector.stack import all_letters, sample, wait_until_idle
from tests.key_check import undeclared
from tests.launcher.running import Running, hookline
from tests.launcher.stack import Stack
from tests.ports import free_port
from tests.programs import needs
from tests.redis_server import RedisServer
from tests.sink import Sink, running_sink
from tests.until import until

PAGE = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
SNAPSHOT, RESTORE = re.findall(r"^ *(redis-cli -u .*|sh deploy/redis/restore\.sh .*)$", PAGE, re.MULTILINE)
SECRET = Secret("what-voucherify-signs-with")
CONFIG = """
[receiver]
spill_dir = "spill"
[channels.crm]
kind = "http"
url = "{url}"
allow_private = true
[[rules]]
name = "crm"
events = ["*"]
channel = "crm"
"""
SENT, WAITING, QUEUED, AFTER, SPILLED = (range(first, first + 4) for first in (0, 10, 20, 30, 40))
"""Numbers of the webhooks, by what they were when the snapshot was taken, or by what came after it."""

pytestmark = needs("redis-cli")


class Drill:
    """A receiver and a worker on a Redis, and the CRM that takes the notifications."""

    def __init__(self, directory: Path, crm: Sink) -> None:
        self.data = directory / "redis"
        self.data.mkdir()
        self.snapshot = directory / "hookline.rdb"
        self._port = free_port()
        # A snapshot takes 5 s by default, in which Redis waits for more replicas.
        self.server = RedisServer(self.data, port=str(self._port), repl_diskless_sync_delay="0")
        self.crm = crm
        self.stack = Stack(directory, self.server, HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=SECRET.reveal().decode())
        self.stack.configure(CONFIG.format(url=crm.url))
        self._programs = directory / "programs"
        self._programs.mkdir()
        (self._programs / "redis-server").symlink_to(find_server().path)

    def run(self, command: str) -> str:
        """Run a command of the page on the files and the Redis of this drill."""
        command = command.replace("hookline.rdb", str(self.snapshot)).replace("/var/lib/redis", str(self.data))
        return subprocess.run(
            command,
            shell=True,
            cwd=ROOT,
            env=self.environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    def begin_restore(self) -> subprocess.Popen[bytes]:
        """Start the script of the page, and do not wait for its end."""
        script = ROOT / "deploy" / "redis" / "restore.sh"
        return subprocess.Popen(["sh", script, self.snapshot, self.data], env=self.environment())

    def environment(self) -> dict[str, str]:
        """Return the environment of these commands."""
        return {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "REDIS_URL": f"redis://127.0.0.1:{self._port}",
        }

    async def accept(self, numbers: range) -> None:
        for number in numbers:
            assert await self.stack.post("voucherify", SECRET, number) == 202

    def destroy_redis(self) -> None:
        self.server.kill()
        for path in self.data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def times_sent(self, numbers: range) -> list[int]:
        """Return how often the CRM got the notification of each webhook, always with the same key."""
        return [self._times_sent(number) for number in numbers]

    def _times_sent(self, number: int) -> int:
        card = json.loads(sample(number))["data"]["voucher"]["id"]
        [key] = {post["key"] for post in self.crm.got if post["data"]["voucher"]["id"] == card}
        return self.crm.times[key]


@pytest.fixture
async def drill(tmp_path: Path) -> AsyncIterator[Drill]:
    async with running_sink() as crm:
        drill = Drill(tmp_path, crm)
        drill.server.start()
        yield drill
        drill.stack.kill()
        drill.server.kill()


@pytest.fixture
async def redis(drill: Drill) -> AsyncIterator[Client]:
    client = connect(Settings(url=drill.server.url))
    yield client
    await client.aclose(close_connection_pool=True)


async def stop(running: Running) -> None:
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0


async def test_after_a_restore_all_of_the_snapshot_is_processed_and_the_rest_is_as_the_page_says(
    drill: Drill, redis: Client
) -> None:
    stack = drill.stack
    await stack.start("receiver")
    worker = await stack.start("worker")
    await drill.accept(SENT)
    assert await stack.post_body("voucherify", SECRET, b"{") == 202
    await wait_until_idle(redis)
    await stack.run("channel", "pause", "crm")
    await drill.accept(WAITING)
    await until(lambda: waits(redis, len(WAITING)))
    await stop(worker)
    await drill.accept(QUEUED)
    before = await stats.read_totals(redis)
    drill.run(SNAPSHOT)

    worker = await stack.start("worker")
    await stack.run("channel", "resume", "crm")
    await drill.accept(AFTER)
    await wait_until_idle(redis)
    drill.destroy_redis()
    await drill.accept(SPILLED)
    copies = {path: path.read_bytes() for path in (stack.directory / "spill").glob("*.spill")}
    await stop(worker)
    assert "keys" in drill.run(RESTORE)
    drill.server.start()

    await until(lambda: accepted(redis, before.accepted + len(SPILLED)))
    restored = await stats.read_totals(redis)
    assert (restored.processed, restored.sent, restored.waiting) == (before.processed, before.sent, before.waiting)
    assert restored.bodies_add_up() and restored.notifications_add_up()
    assert set(problems(stack)) <= {"workers"}
    assert "paused" in await stack.run("channel", "list")

    await stack.start("worker")
    await stack.run("channel", "resume", "crm")
    totals = await wait_until_idle(redis)
    assert (totals.accepted, totals.processed, totals.dead_at_intake, totals.sent) == (17, 16, 1, 16)
    assert drill.times_sent(SENT) == drill.times_sent(AFTER) == drill.times_sent(SPILLED) == [1] * 4
    assert drill.times_sent(WAITING) == drill.times_sent(QUEUED) == [2] * 4
    assert len(await all_letters(redis)) == 1

    await drill.accept(SENT)
    await drill.accept(AFTER)
    for path, content in copies.items():  # as from a backup, or from the disk of another host
        path.write_bytes(content)
    await until(lambda: accepted(redis, 29))
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.duplicate, totals.sent) == (20, 8, 20)
    assert (drill.times_sent(SENT), drill.times_sent(AFTER)) == ([1] * 4, [2] * 4)
    assert await undeclared(redis) == []


async def waits(redis: Client, count: int) -> bool:
    return (await stats.read_totals(redis)).waiting == count


async def accepted(redis: Client, count: int) -> bool:
    return (await stats.read_totals(redis)).accepted == count


def problems(stack: Stack) -> list[str]:
    """Return the areas in which the doctor finds a problem."""
    ran = hookline("doctor", "--json", cwd=stack.directory, env=stack.environment())
    return [finding["area"] for finding in json.loads(ran.stdout)["findings"] if finding["severity"] == "problem"]


async def test_a_data_directory_that_is_not_empty_and_a_broken_snapshot_are_refused(drill: Drill) -> None:
    drill.snapshot.write_bytes(b"REDIS no snapshot")
    with pytest.raises(subprocess.CalledProcessError) as not_empty:
        drill.run(RESTORE)
    assert "has data" in not_empty.value.stderr
    drill.destroy_redis()
    with pytest.raises(subprocess.CalledProcessError) as broken:
        drill.run(RESTORE)
    assert "could not be restored" in broken.value.stderr
    assert list(drill.data.iterdir()) == []


async def test_an_interrupted_restore_leaves_the_directory_and_no_server(drill: Drill) -> None:
    drill.run(SNAPSHOT)
    drill.destroy_redis()
    script = drill.begin_restore()
    await until((drill.data / "dump.rdb").exists)
    script.terminate()
    assert script.wait(timeout=30) == 1
    assert list(drill.data.iterdir()) == []
    assert not servers_of(drill.data)


def servers_of(directory: Path) -> list[str]:
    """Return the command lines of the processes that work in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == directory:
                found.append((process / "cmdline").read_text())
    return found
