"""The file channel writes complete lines, also after failures of the file."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.until import until
from worker.channels.errors import ChannelError
from worker.channels.file import FileChannel
from worker.channels.settings import FileSettings
from worker.outcome import Outcome, Retry, Sent
from worker.rules.render import Message

ROOT = Path(__file__).parents[3]


def message(number: int, text: str = "t\n\u2028") -> Message:
    return Message(key=f"key-{number}", rule="r", source="s", event="e", text=text, data={"n": number})


async def sent(path: Path, *messages: Message, **settings: Any) -> list[Outcome]:
    channel = FileChannel(FileSettings(path=str(path), **settings))
    outcomes = await asyncio.gather(*(channel.send(message) for message in messages))
    await channel.close()
    return outcomes


def keys(path: Path) -> list[str]:
    return [msgspec.json.decode(line)["key"] for line in path.read_bytes().splitlines()]


async def test_each_notification_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert await sent(path, *map(message, range(200))) == [Sent()] * 200
    assert keys(path) == [f"key-{n}" for n in range(200)]
    assert msgspec.json.decode(path.read_bytes().splitlines()[7])["data"] == {"n": 7}
    assert path.stat().st_mode & 0o007 == 0


async def test_notifications_that_wait_for_a_write_are_written_together(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    channel = FileChannel(FileSettings(path=str(path)))
    writes: list[bytes] = []
    append = channel._file.append

    def counted(content: bytes) -> None:
        writes.append(content)
        append(content)

    channel._file.append = counted  # type: ignore[method-assign]
    first = asyncio.create_task(channel.send(message(0)))
    await until(lambda: writes)
    await asyncio.gather(first, *(channel.send(message(n)) for n in range(1, 64)))
    await channel.close()
    assert (len(writes), len(keys(path))) == (2, 64)


async def test_a_file_that_was_moved_away_is_created_again(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    channel = FileChannel(FileSettings(path=str(path)))
    await channel.send(message(1))
    path.rename(tmp_path / "out.jsonl.1")
    await channel.send(message(2))
    path.unlink()
    await channel.send(message(3))
    await channel.close()
    assert (keys(tmp_path / "out.jsonl.1"), keys(path)) == (["key-1"], ["key-3"])


async def test_a_line_cut_by_a_crash_does_not_damage_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"key":"key-1"}\n{"key":"ke')
    await sent(path, message(2))
    torn, whole = path.read_bytes().splitlines()[1:]
    assert torn == b'{"key":"ke'
    assert msgspec.json.decode(whole)["key"] == "key-2"


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Limit the size of the files of this process, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


async def test_a_full_disk_leaves_no_partial_line_and_is_retried(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await sent(path, message(1))
    with files_end_at(path.stat().st_size + 50):
        (outcome,) = await sent(path, message(2, "x" * 1000))
    assert isinstance(outcome, Retry)
    assert keys(path) == ["key-1"]
    assert await sent(path, message(2)) == [Sent()]
    assert keys(path) == ["key-1", "key-2"]


async def test_a_directory_that_went_away_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    channel = FileChannel(FileSettings(path=str(tmp_path / "logs" / "out.jsonl")))
    (tmp_path / "logs").rmdir()
    assert isinstance(await channel.send(message(1)), Retry)
    (tmp_path / "logs").mkdir()
    assert await channel.send(message(1)) == Sent()
    await channel.close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A file that another process keeps locked until it receives a line."""
    path = tmp_path / "out.jsonl"
    path.touch()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import fcntl; f = open({str(path)!r}); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    yield path, holder
    holder.communicate()


async def test_a_disk_that_hangs_costs_a_time_out_and_no_second_thread(
    held: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    path, holder = held
    channel = FileChannel(FileSettings(path=str(path), timeout_s=0.2))
    for number in (1, 2):
        assert isinstance(await channel.send(message(number)), Retry)
    assert holder.stdin is not None
    holder.stdin.write(b"\n")
    holder.stdin.flush()

    async def is_sent() -> bool:
        return await channel.send(message(3)) == Sent()

    await until(is_sent)
    await channel.close()
    assert keys(path)[-1] == "key-3"


def test_several_processes_write_whole_lines_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tests.worker.channels.test_file import message, sent\n"
        "asyncio.run(sent(Path(sys.argv[1]), *(message(n, 'x' * 5000) for n in range(50))))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(20) for process in running] == [0, 0]
    assert sorted(keys(path)) == sorted([f"key-{n}" for n in range(50)] * 2)


@pytest.mark.parametrize("path", ["nowhere/out.jsonl", "."])
async def test_an_invalid_path_is_reported_immediately(tmp_path: Path, path: str) -> None:
    with pytest.raises(ChannelError) as caught:
        FileChannel(FileSettings(path=str(tmp_path / path)))
    assert caught.value.setting == "path"
