"""A data directory that another server wrote: it is read, or it is refused in one line and left as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from broker.redis.connection import Settings, connect
from launcher.embedded.data_dir import DataDir
from launcher.embedded.embedded_redis import EmbeddedRedis, socket_path
from launcher.embedded.server_binary import ServerBinary
from launcher.embedded.stored_data import StoredData, read_stored_data
from launcher.errors import EmbeddedRedisError
from tests.inspector.stack import (
    TO_CRM,
    accept,
    crm,
    make_dead_letters,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.redis_server import RedisServer
from tests.servers import ON_PATH, REDIS_6, REDIS_8, VALKEY_9, server_path
from tests.until import until


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as name:
        yield Path(name)


def candidates(monkeypatch: pytest.MonkeyPatch, *servers: str) -> None:
    paths = [server_path(name) for name in servers]
    monkeypatch.setattr("launcher.embedded.server_binary._candidates", lambda: iter(paths))


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*.aof*") if path.is_file()}


async def written_by(name: str, directory: Path, *, rewritten: bool) -> None:
    """Leave queued webhooks, a remembered identity and a dead letter in the directory."""
    server = RedisServer(directory, binary=server_path(name)).start()
    client = connect(Settings(url=server.url))
    await make_dead_letters(server, client, sample(1), b'{"customer":')
    await accept(client, *(sample(number) for number in range(1, 21)))
    if rewritten:
        with server.client() as connection:
            connection.bgrewriteaof()
            await until(lambda: not connection.info("persistence")["aof_rewrite_in_progress"])
    await client.aclose(close_connection_pool=True)
    server.stop()


@pytest.mark.parametrize("rewritten", [False, True], ids=["log", "rewritten log"])
@pytest.mark.parametrize("writer", [REDIS_8, REDIS_6, VALKEY_9, ON_PATH])
async def test_valkey_goes_on_with_the_data_of_another_server(
    directory: Path, monkeypatch: pytest.MonkeyPatch, writer: str, rewritten: bool
) -> None:
    await written_by(writer, directory, rewritten=rewritten)
    candidates(monkeypatch, VALKEY_9)

    with DataDir(directory) as data_dir:
        embedded = EmbeddedRedis(data_dir)
        embedded.start()
        client = connect(Settings(url=embedded.url))
        server = RedisServer(directory)
        async with (
            running_receiver() as receiver,
            running_worker(server, rules=TO_CRM, channels=crm(receiver.url)),
        ):
            totals = await wait_until_idle(client)
        await client.aclose(close_connection_pool=True)
        embedded.stop()

    assert embedded.product == "Valkey"
    assert (totals.accepted, totals.sent) == (22, totals.processed)
    assert totals.bodies_add_up() and totals.notifications_add_up()


async def test_the_server_that_reads_the_data_is_chosen_before_the_first(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written_by(VALKEY_9, directory, rewritten=False)
    candidates(monkeypatch, REDIS_8, VALKEY_9)

    with DataDir(directory) as data_dir:
        embedded = EmbeddedRedis(data_dir)
        embedded.start()
        with redis.Redis(unix_socket_path=str(socket_path(directory))) as connection:
            assert connection.dbsize() > 0
        embedded.stop()


@pytest.mark.parametrize(
    ("writer", "reader"), [(VALKEY_9, REDIS_8), (VALKEY_9, REDIS_6), (REDIS_8, REDIS_6)], ids=str
)
async def test_data_that_no_server_here_reads_is_refused_in_one_line_and_left_as_it_was(
    directory: Path, monkeypatch: pytest.MonkeyPatch, writer: str, reader: str
) -> None:
    await written_by(writer, directory, rewritten=False)
    before = files(directory)
    candidates(monkeypatch, reader)

    with DataDir(directory) as data_dir, pytest.raises(EmbeddedRedisError) as refused:
        EmbeddedRedis(data_dir).start()

    text = str(refused.value)
    assert text.startswith(f"{reader} (")
    assert f"cannot read the data in {directory}, which {writer}" in text
    assert "hookline[embedded]" in text and "HOOKLINE_UP_DATA_DIR" in text
    assert "\n" not in text
    assert files(directory) == before


@pytest.mark.parametrize(
    ("server", "data", "can"),
    [
        (("Redis", 6, 2), ("Redis", 10), False),
        (("Redis", 7, 0), ("Redis", 0), True),
        (("Redis", 7, 0), ("Redis", 10), True),
        (("Redis", 7, 0), ("Redis", 11), False),
        (("Redis", 7, 2), ("Redis", 12), False),
        (("Redis", 7, 4), ("Redis", 12), True),
        (("Redis", 8, 2), ("Redis", 13), False),
        (("Redis", 8, 4), ("Redis", 13), True),
        (("Redis", 8, 2), ("Valkey", 80), False),
        (("Valkey", 7, 2), ("Redis", 11), True),
        (("Valkey", 8, 1), ("Redis", 12), False),
        (("Valkey", 8, 1), ("Valkey", 80), False),
        (("Valkey", 9, 0), ("Redis", 12), True),
        (("Valkey", 9, 1), ("Redis", 13), False),
        (("Valkey", 9, 0), ("Valkey", 80), True),
    ],
    ids=str,
)
def test_which_server_reads_which_format(server: tuple[str, int, int], data: tuple[str, int], can: bool) -> None:
    product, major, minor = server
    binary = ServerBinary(Path("server"), product, (major, minor))

    assert binary.can_read(StoredData(Path("data"), data[0], data[1], "it")) is can


def test_a_directory_without_a_readable_log_is_left_to_the_server(directory: Path) -> None:
    assert read_stored_data(directory) is None
    folder = directory / "appendonlydir"
    folder.mkdir()
    manifest = folder / "appendonly.aof.manifest"
    manifest.write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    assert read_stored_data(directory) is None
    manifest.write_text("file appendonly.aof.1.base.aof seq 1 type b\n")
    assert read_stored_data(directory) is None
    (folder / "appendonly.aof.1.base.aof").write_bytes(b"*2\r\n$6\r\nSELECT\r\n")
    assert read_stored_data(directory) == StoredData(directory, "Redis", 0, "Redis 7.0 or later")
