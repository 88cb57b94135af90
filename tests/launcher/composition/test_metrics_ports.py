"""The ports of worker and inspector, of real processes: whether they work, and what they count."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.inspector.stack import running_receiver
from tests.launcher.running import Running
from tests.launcher.stack import Stack
from tests.ports import free_port
from tests.programs import needs
from tests.redis_server import RedisServer
from tests.until import until

CONFIG = """
[sources.voucherify]
secrets = ["file:key"]

[channels.crm]
kind = "http"
url = "URL"
allow_private = true

[worker]
processes = 3
lease_s = 3.0
takeover_s = 3.0

[[rules]]
name = "to-crm"
events = ["*"]
channel = "crm"
text = "something happened"
"""


class Ports:
    """A stack with a port for the metrics of each part."""

    def __init__(self, directory: Path, redis: RedisServer) -> None:
        self.worker, self.inspector = free_port(), free_port()
        self.stack = Stack(
            directory,
            redis,
            HOOKLINE_WORKER_PORT=str(self.worker),
            HOOKLINE_INSPECTOR_METRICS_PORT=str(self.inspector),
            HOOKLINE_RECEIVER_PROCESSES="2",
        )
        self.secret = self.stack.write_secret("key", "secret-of-this-test")
        self.stack.configure(CONFIG.replace("URL", "http://127.0.0.1:9/"))

    async def start(self, url: str = "http://127.0.0.1:9/") -> Running:
        self.stack.configure(CONFIG.replace("URL", url))
        return await self.stack.start("up")

    async def get(self, port: int, path: str) -> tuple[int, str]:
        """Return status and text of an answer; (0, reason) without an answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
                session.get(f"http://127.0.0.1:{port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientError as error:
            return 0, str(error)

    async def is_ready(self, port: int) -> bool:
        return (await self.get(port, "/readyz"))[0] == 200

    async def samples(self, port: int) -> dict[str, float]:
        """Return the samples of a scrape by name and labels, without buckets."""
        _, text = await self.get(port, "/metrics")
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if "le" not in sample.labels
        }


@pytest.fixture
def ports(tmp_path: Path, own_redis: RedisServer) -> Iterator[Ports]:
    ports = Ports(tmp_path, own_redis)
    try:
        yield ports
    finally:
        ports.stack.kill()


def total(samples: dict[str, float], name: str, *labels: str) -> float:
    """Return the sum over processes."""
    return sum(value for key, value in samples.items() if key.split()[0] == name and {*labels} <= {*key.split()})


async def test_each_part_counts_its_own_work_and_the_inspector_that_of_all(ports: Ports) -> None:
    async with running_receiver() as crm:
        running = await ports.start(crm.url)
        await until(lambda: ports.is_ready(ports.worker))
        assert await ports.is_ready(ports.inspector)
        for port in (ports.worker, ports.inspector):
            assert f"metrics   http://127.0.0.1:{port}/metrics" in running.output
        for number in range(12):
            assert await ports.stack.post("voucherify", ports.secret, number) == 202
        assert await ports.stack.post("voucherify", ports.secret, 0) == 202  # a duplicate
        await until(lambda: len(crm.received) == 12)
        crm.status = 410
        assert await ports.stack.post("voucherify", ports.secret, 99) == 202

        async def all_counted() -> dict[str, float] | None:
            samples = await ports.samples(ports.worker)
            done = total(samples, "hookline_worker_notifications_total")
            return samples if done == 13 and total(samples, "hookline_worker_bodies_total") == 14 else None

        worker = await until(all_counted)

    name = "hookline_worker_notifications_total"
    sent, dead = total(worker, name, "to-crm", "crm", "sent"), total(worker, name, "to-crm", "crm", "dead")
    assert (sent, dead) == (12, 1)
    assert total(worker, "hookline_worker_bodies_total", "processed") == 13
    assert total(worker, "hookline_worker_bodies_total", "duplicate") == 1
    assert total(worker, "hookline_worker_attempt_duration_seconds_count", "crm", "sent") == sent
    assert total(worker, "hookline_worker_delivery_latency_seconds_count", "crm") == sent
    assert 0 < total(worker, "hookline_worker_delivery_latency_seconds_sum", "crm") < 60 * sent
    assert total(worker, "hookline_worker_queue_age_seconds_count") == 14
    assert total(worker, "hookline_ready") == 3, "also the process that stands by is ready"
    assert sum(key.startswith("hookline_worker_partitions") for key in worker) == 3
    assert [total(worker, "process_cpu_seconds_total", process) > 0 for process in "012"] == [True] * 3

    async def answered() -> float:
        text = await ports.stack.metrics()
        families = text_string_to_metric_families(text)
        return sum(one.value for family in families for one in family.samples if one.labels.get("status") == "202")

    async def all_answered() -> bool:
        return await answered() == 14

    await until(all_answered)  # one answer has both processes, the other one as of a second ago
    fleet = await ports.samples(ports.inspector)
    assert fleet["hookline_bodies_accepted_total"] == 14
    assert fleet["hookline_notifications_sent_total"] == sent
    assert fleet["hookline_workers"] == 3
    assert not {key for key in fleet if key.startswith(("hookline_worker_", "hookline_receiver_"))} - {
        "hookline_worker_configs"
    }


async def test_a_worker_is_not_ready_while_redis_takes_no_writes(ports: Ports, own_redis: RedisServer) -> None:
    await ports.start()
    await until(lambda: ports.is_ready(ports.worker))
    own_redis.freeze()
    try:

        async def all_say_why() -> bool:
            status, text = await ports.get(ports.worker, "/readyz")
            return status == 503 and text.count("Redis has taken no ") == 3

        await until(all_say_why)
        assert (await ports.get(ports.worker, "/healthz"))[0] == 200
        assert (await ports.get(ports.inspector, "/readyz"))[0] == 503
    finally:
        own_redis.thaw()
    await until(lambda: ports.is_ready(ports.worker))
    await until(lambda: ports.is_ready(ports.inspector))


async def test_a_worker_that_hangs_is_named_by_the_other_one(ports: Ports) -> None:
    running = await ports.start()
    await until(lambda: ports.is_ready(ports.worker))
    hanging = running.children()[2]  # after two receivers
    os.kill(hanging, signal.SIGSTOP)
    try:

        async def named() -> bool:
            return "process 0: it has not reported for" in (await ports.get(ports.worker, "/readyz"))[1]

        await until(named)
    finally:
        os.kill(hanging, signal.SIGCONT)
    await until(lambda: ports.is_ready(ports.worker))


async def test_a_worker_that_waits_for_redis_is_alive_and_not_ready(ports: Ports, own_redis: RedisServer) -> None:
    own_redis.stop()
    running = Running("-m", "launcher", "worker", cwd=ports.stack.directory, env=ports.stack.environment())
    try:

        async def answer() -> tuple[int, str] | None:
            found = await ports.get(ports.worker, "/readyz")
            return found if found[0] else None

        status, text = await until(answer)
        assert status == 503
        assert "waits for Redis" in text or "not started" in text
        own_redis.start()
        await until(lambda: ports.is_ready(ports.worker))
    finally:
        running.kill()


async def test_a_port_that_is_taken_is_one_clear_line(ports: Ports) -> None:
    with socket.create_server(("127.0.0.1", ports.worker)):
        worker = Running("-m", "launcher", "worker", cwd=ports.stack.directory, env=ports.stack.environment())
        try:
            assert await worker.ends() == 1
            assert "HOOKLINE_WORKER_PORT" in worker.output
            assert "Traceback" not in worker.output
        finally:
            worker.kill()


@needs("promtool")
async def test_promtool_finds_nothing_wrong_with_any_metric(ports: Ports) -> None:
    async with running_receiver() as crm:
        await ports.start(crm.url)
        await until(lambda: ports.is_ready(ports.worker))
        assert await ports.stack.post("voucherify", ports.secret) == 202

        async def sent() -> float:
            return total(await ports.samples(ports.worker), "hookline_worker_notifications_total", "sent")

        await until(sent)
        texts = [await ports.stack.metrics()]
        texts += [(await ports.get(port, "/metrics"))[1] for port in (ports.worker, ports.inspector)]
    for text in texts:
        ran: Any = await asyncio.to_thread(
            subprocess.run,
            ["promtool", "check", "metrics"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
