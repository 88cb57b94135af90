"""Fixtures with real programs for every test: a redis-server of the tests, flushed between them."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions, connect_all
from tests.ports import free_port
from tests.programs import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 - hooks of pytest
from tests.redis_server import RedisServer

# No example fails for the time that it takes: on a busy machine, any may take long.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
# In CI, property tests try the same examples in each run: an input that was never tried before must not block a
# change that has nothing to do with it. Everywhere else they try new ones, and `make fuzz` tries many.
settings.register_profile("same examples", _PATIENT, derandomize=True, database=None)
settings.register_profile("new examples", _PATIENT, derandomize=False)
settings.register_profile("many new examples", _PATIENT, derandomize=False, max_examples=2000)
settings.load_profile("same examples" if os.environ.get("CI") else "new examples")
if os.environ.get("CI"):
    os.environ.setdefault("SEED", "1")  # of tests that draw one if it is not set

# Containers often set PYTHONDONTWRITEBYTECODE. With it, each worker of xdist and each of the many programs that
# the tests start would compile all of its modules again, which takes longer than most tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts the tests in the background makes them ignore Ctrl-C, and the programs that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _hangup(_: int, __: object) -> None:
    """Ignore SIGHUP as nohup requests. Unlike with SIG_IGN, programs that the tests start do not inherit it."""


# The workers of xdist end with their controller, which alone handles a closing terminal.
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN or "PYTEST_XDIST_WORKER" in os.environ:
    signal.signal(signal.SIGHUP, _hangup)

CHAOS_TIMEOUT_S = 3 * 60 * 60
"""A chaos run takes as long as EVENTS requires and has its own deadlines; this limit is only for a hang."""


LONG = (
    "fuzz/test_garbage.py",
    "inspector/api/test_schemathesis.py",
    "chaos/test_chaos.py",
    "inspector/web/test_letters_browser.py",
    "inspector/web/test_browser.py",
    "project/test_cluster_demo.py",
    "worker/test_idle.py",
    "launcher/commands/test_demo.py",
    "launcher/commands/test_example_folders.py",
    "broker/repartition/test_growth.py",
    "deploy/test_compose_runs.py",
    "deploy/test_systemd_runs.py",
    "deploy/test_kubernetes_runs.py",
    "inspector/operations/test_purge.py",
)
"""Files with tests that take many seconds. They run first: at the end nothing would be left to run beside them."""


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of processors: most tests wait for other processes."""
    return (os.cpu_count() or 1) + 1


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by a long value: it may contain a time, and xdist needs equal names in all of its workers."""
    return argname if isinstance(val, str | bytes) and len(val) > 60 else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))
    for item in items:
        if item.get_closest_marker("chaos") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(CHAOS_TIMEOUT_S))


def pytest_collection_finish() -> None:
    """Keep the modules and the thousands of tests out of each garbage collection: they stay until the end."""
    # At its first example, hypothesis looks who refers to random generators, and cannot see frozen objects.
    _first_example()
    gc.collect()
    gc.freeze()


@given(strategies.none())
def _first_example(_: None) -> None:
    """Let hypothesis prepare what it prepares once."""


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory)).start()
        yield server
        server.stop()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """Return a running, empty Redis that the tests share; do not stop it."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def unused_tcp_port() -> int:
    return free_port()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Start a Redis that only this test uses, to stop, kill and freeze."""
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory)).start()
        yield server
        server.kill()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Client]:
    client = connect(Settings(url=redis_server.url))
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def partitions(redis: Client) -> Partitions:
    """Return the only partition of an installation, with the client of the fixture `redis`."""
    return Partitions([redis])


@pytest.fixture
async def three_partitions(redis_server: RedisServer) -> AsyncIterator[Partitions]:
    """Return the partitions of an installation that has three, all on one server."""
    clients = connect_all(Settings(url=redis_server.url, partitions=3))
    yield clients
    await clients.aclose()


@pytest.fixture
async def spread_partitions(redis_server: RedisServer, own_redis: RedisServer) -> AsyncIterator[Partitions]:
    """Return three partitions, of which number 1 has a server of its own: `own_redis`."""
    shared = Settings(url=redis_server.url, partitions=3)
    own = Settings(url=own_redis.url, partitions=3, connect_timeout_s=0.5, socket_timeout_s=1)
    clients = Partitions([connect(shared), connect(own, retries=0, partition=1), connect(shared, partition=2)])
    yield clients
    await clients.aclose()
