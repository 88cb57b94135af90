"""Tests that the commands of docker-compose.yml, run here as processes, form a working Hookline."""

from __future__ import annotations

import json
import re
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from broker.redis.connection import Settings, connect
from broker.redis.server.facts import read_facts
from launcher.config.config import load
from sources.secret import Secret
from tests.deploy.compose import Redis, container, health_check, mounted_config
from tests.deploy.containers import Host, wait_for
from tests.programs import needs

needs_redis_cli = needs("redis-cli")


@pytest.fixture
def redis(tmp_path: Path) -> Redis:
    """Return the Redis of the file, which does not run yet, on a host with all other secrets."""
    host = Host(tmp_path)
    host.write("/run/secrets/voucherify", "a secret of the test\n")
    host.write("/run/secrets/inspector_password", "the admins password\n")
    shutil.copy(mounted_config(), host.path("/etc/hookline/hookline.toml"))
    return Redis(host)


@pytest.fixture
def host(redis: Redis) -> Iterator[Host]:
    """Return a host on which Redis runs."""
    with redis.running():
        yield redis.host


def healthy(service: str, host: Host) -> bool:
    """Return True if the service's own health check passes."""
    program, *words = map(host.local, health_check(service))
    command = [sys.executable, *words] if program == "python" else [sys.executable, "-m", "launcher", *words]
    return host.run(command, container(service)).returncode == 0


async def test_its_redis_keeps_the_writes_that_it_confirms(redis: Redis, host: Host) -> None:
    client = connect(Settings(url=redis.url))
    facts = await read_facts(client)
    intsets = await client.config_get("set-max-intset-entries")
    await client.aclose()
    assert facts.risks() == []
    assert facts.fsync == "always"
    assert facts.max_memory_bytes == 2**30
    assert [int(value) for value in intsets.values()] == [8192]
    assert redis.url not in str(host.log("redis").read_text())


@needs_redis_cli
def test_redis_is_healthy_until_its_memory_is_full(redis: Redis) -> None:
    with redis.running():
        assert redis.is_healthy()
    with redis.running(maxmemory="1"):
        assert not redis.is_healthy()


def test_the_services_together_turn_a_webhook_into_a_notification(host: Host) -> None:
    receiver, worker = container("receiver"), container("worker")
    with ExitStack() as services:
        services.enter_context(host.running(receiver))
        for name, port in {"worker": "8082", "worker-2": "8092"}.items():  # --scale worker=2
            scaled = replace(worker, environment={**worker.environment, "HOOKLINE_WORKER_PORT": port})
            services.enter_context(host.running(scaled, name=name))

        for at in (8080, 8082, 8092):
            wait_for(lambda at=at: host.answers(at, "/readyz"))  # type: ignore[misc]
        assert healthy("receiver", host)
        assert healthy("worker", host)
        host.output(receiver, "send", "--url", f"http://127.0.0.1:{host.port(8080)}", "--count", "20")
        wait_for(lambda: notified(host) == 20)
        counted = json.loads(host.output(worker, "status", "--json"))
        assert (counted["accepted"], counted["processed"], counted["workers"]) == (20, 20, 2)


def test_webhooks_wait_on_the_volume_while_redis_restarts(redis: Redis) -> None:
    receiver, host = container("receiver"), redis.host
    with ExitStack() as services:
        with redis.running():
            services.enter_context(host.running(receiver))
            wait_for(lambda: host.answers(8080, "/readyz"))
        sent = host.output(receiver, "send", "--url", f"http://127.0.0.1:{host.port(8080)}", "--count", "5")
        assert re.search(r"5 x 202", sent)
        assert list(host.path("/var/lib/hookline/spill").glob("*.spill"))
        with redis.running(), host.running(container("worker")):
            wait_for(lambda: notified(host) == 5)


def test_the_inspector_is_open_to_users_with_the_password(host: Host) -> None:
    inspector = container("inspector")
    with host.running(inspector):
        wait_for(lambda: host.answers(8081, "/healthz"))
        assert healthy("inspector", host)
        with urllib.request.urlopen(f"http://127.0.0.1:{host.port(8081)}/", timeout=5) as answer:
            assert answer.url.endswith("/login?next=%2F")
    user = load(mounted_config(), host.environ(inspector)).inspector.users["admin"]
    assert (user.password, user.role, user.reveal) == (Secret("the admins password"), "operate", True)


def notified(host: Host) -> int:
    return sum(log.read_text().count("40 points added") for log in host.directory.glob("worker*.log"))
