"""Tests of segments on a disk that is full, hangs, fails or loses data, shared by several processes."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.queue.batch import MAX_BODIES, RawBody
from receiver.storage.spill import files
from receiver.storage.spill.errors import SpillDirError, SpillError
from receiver.storage.spill.segment import HEAD_BYTES, Head, frame
from receiver.storage.spill.spill import Spill
from tests.until import until


def raw(name: str) -> RawBody:
    return RawBody(1_700_000_000_000, "voucherify", "hint", name.encode())


@asynccontextmanager
async def spilling(
    directory: Path, *, max_bytes: int = 10_000_000, sync: Callable[[int], None] = os.fsync
) -> AsyncIterator[Spill]:
    spill = Spill(directory, max_bytes=max_bytes, sync=sync)
    try:
        yield spill
    finally:
        await spill.close()


async def drain(spill: Spill) -> list[str]:
    await spill.refresh()
    names: list[str] = []
    while (group := await spill.next_group()) is not None:
        names += [body.body.decode("latin-1") for body in group.bodies]
        await spill.drained(group)
    return names


def files_in(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def names_in(directory: Path) -> list[str]:
    return sorted(path.suffix for path in directory.iterdir())


async def test_spilled_webhooks_are_drained_in_order_and_then_deleted(tmp_path: Path) -> None:
    async with spilling(tmp_path) as spill:
        for number in range(300):
            await spill.append([raw(f"{number}")])
        group = await spill.next_group()
        assert group is not None
        assert len(group.bodies) == MAX_BODIES
        assert group.bodies[0] == raw("0")
        assert names_in(tmp_path) == [".spill"]

        assert await drain(spill) == [f"{number}" for number in range(300)]
        assert names_in(tmp_path) == []
        assert (await spill.refresh()).is_nothing()


async def test_a_group_is_read_again_until_redis_has_it(tmp_path: Path) -> None:
    async with spilling(tmp_path) as spill:
        await spill.append([raw("a")])

        assert await spill.next_group() == await spill.next_group()


async def test_segments_of_a_dead_process_are_drained_by_the_next_one_without_what_redis_has(
    tmp_path: Path,
) -> None:
    async with spilling(tmp_path) as spill:
        for number in range(3):
            await spill.append([raw(f"{number}")] * MAX_BODIES)
        group = await spill.next_group()
        assert group is not None
        await spill.drained(group)
        assert (await spill.refresh()).bodies == 2 * MAX_BODIES

    async with spilling(tmp_path) as spill:
        assert spill.on_disk.bodies == 2 * MAX_BODIES
        assert set(await drain(spill)) == {"1", "2"}


async def test_two_processes_drain_their_own_segments_and_then_those_that_the_other_left(tmp_path: Path) -> None:
    async with spilling(tmp_path) as one:
        async with spilling(tmp_path) as other:
            await one.append([raw("one")])
            await other.append([raw("other")])
            assert (await one.refresh()).bodies == 2

            assert await drain(one) == ["one"]
            assert await drain(one) == []
        assert await drain(one) == ["other"]
    assert names_in(tmp_path) == []


async def test_new_segments_are_started_so_that_draining_frees_space(tmp_path: Path) -> None:
    async with spilling(tmp_path) as spill:
        large = RawBody(1, "voucherify", "", os.urandom(3_000_000))
        for _ in range(3):
            await spill.append([large])

        assert len(files_in(tmp_path)) == 3
        for left in (3, 2):
            group = await spill.next_group()
            assert group is not None
            assert [len(body.body) for body in group.bodies] == [3_000_000]
            assert len(files_in(tmp_path)) == left
            await spill.drained(group)


async def test_only_the_own_user_may_read_the_segments(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "spill"
    async with spilling(directory) as spill:
        await spill.append([raw("a")])

        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert [stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()] == [0o600]


async def test_a_segment_cut_off_within_a_write_loses_only_that_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with spilling(tmp_path) as spill:
        await spill.append([raw("kept")])
        await spill.append([raw("torn")])
    (segment,) = files_in(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-3])

    async with spilling(tmp_path) as spill:
        assert await drain(spill) == ["kept"]
    assert names_in(tmp_path) == []
    assert "incomplete" in caplog.text


async def test_a_damaged_segment_is_drained_as_far_as_possible_and_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with spilling(tmp_path) as spill:
        await spill.append([raw("before")])
        (segment,) = files_in(tmp_path)
        middle = segment.stat().st_size
        await spill.append([raw("spoilt")])
        await spill.append([raw("after")])
    data = bytearray(segment.read_bytes())
    data[middle + 30] ^= 1
    segment.write_bytes(data)

    async with spilling(tmp_path) as spill:
        assert await drain(spill) == ["before", "after"]
        assert (await spill.refresh()).corrupt == 1
        assert not spill.on_disk.is_nothing()
    assert names_in(tmp_path) == [".corrupt"]
    assert segment.with_suffix(".corrupt").read_bytes()[middle:] == data[middle:]
    assert "is damaged (from byte" in caplog.text


async def test_a_batch_of_another_version_is_set_aside_and_the_others_are_drained(tmp_path: Path) -> None:
    async with spilling(tmp_path) as spill:
        await spill.append([raw("a")])
    (segment,) = files_in(tmp_path)
    with segment.open("ab") as file:
        file.write(frame(b"of another version", 1))
    async with spilling(tmp_path) as spill:
        await spill.refresh()
        group = await spill.next_group()
        assert group is not None
        await spill.drained(group)  # and the process dies here

    async with spilling(tmp_path) as spill:
        assert await drain(spill) == []
    assert names_in(tmp_path) == [".corrupt"]


async def test_a_segment_that_was_just_created_causes_no_error(tmp_path: Path) -> None:
    (tmp_path / "0-1-a.spill").touch()
    (tmp_path / "0-1-b.spill").write_bytes(Head().pack())

    async with spilling(tmp_path) as spill:
        assert await drain(spill) == []
    assert names_in(tmp_path) == []


async def test_a_full_disk_is_reported_and_no_partial_batch_is_kept(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with spilling(tmp_path) as spill:
        await spill.append([raw("before")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # a write is cut off there, and then refused
        try:
            with pytest.raises(SpillError, match="the disk does not accept webhooks"):
                await spill.append([RawBody(0, "voucherify", "", os.urandom(5000))])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await spill.append([raw("after")])

    async with spilling(tmp_path) as spill:
        assert await drain(spill) == ["before", "after"]
    assert names_in(tmp_path) == []


async def test_the_limit_counts_what_all_processes_spilled(tmp_path: Path) -> None:
    async with spilling(tmp_path) as other, spilling(tmp_path, max_bytes=20_000) as spill:
        await other.append([RawBody(0, "voucherify", "", os.urandom(15_000))])
        await spill.refresh()

        with pytest.raises(SpillError, match=r"receiver\.spill_max_bytes"):
            await spill.append([RawBody(0, "voucherify", "", os.urandom(6000))])
        await drain(other)
        await spill.refresh()
        await spill.append([RawBody(0, "voucherify", "", os.urandom(6000))])


async def test_a_batch_whose_sync_failed_is_not_kept_and_the_next_goes_to_another_file(tmp_path: Path) -> None:
    errors: list[OSError] = []

    def sync(descriptor: int) -> None:
        if errors:
            raise errors.pop()
        os.fsync(descriptor)

    async with spilling(tmp_path, sync=sync) as spill:
        await spill.append([raw("before")])
        errors.append(OSError(5, "Input/output error"))
        with pytest.raises(SpillError, match="input/output error"):
            await spill.append([raw("lost")])
        await spill.append([raw("after")])

        assert len(files_in(tmp_path)) == 2
        assert await drain(spill) == ["before", "after"]


async def test_a_disk_that_hangs_delays_no_request(tmp_path: Path) -> None:
    goes_on = threading.Event()

    def sync(descriptor: int) -> None:
        os.fsync(descriptor)
        goes_on.wait(10)

    async with spilling(tmp_path, sync=sync) as spill:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(spill.append([raw("slow")]), 0.1)
        with pytest.raises(SpillError, match="does not answer"):
            await spill.append([raw("next")])
        goes_on.set()

        async def takes_more() -> bool:
            try:
                await spill.append([raw("later")])
            except SpillError:
                return False
            return True

        await until(takes_more)
        assert await drain(spill) == ["slow", "later"]


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_an_unusable_directory_is_reported_in_one_line(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(
        SpillDirError, match=r"receiver\.spill_dir .* cannot be used: .*: set it to a directory"
    ) as raised:
        files.prepare(tmp_path / where)
    assert "\n" not in str(raised.value)
    assert "is not a directory" in files.unusable_reason(tmp_path / where)
    assert files.unusable_reason(tmp_path / "new" / "one") == ""
    assert not (tmp_path / "new").exists()


async def test_a_damaged_segment_that_cannot_be_set_aside_is_not_drained_repeatedly(tmp_path: Path) -> None:
    async with spilling(tmp_path) as spill:
        await spill.append([raw("a")])
    (segment,) = files_in(tmp_path)
    with segment.open("ab") as file:
        file.write(b"?" * 100 + frame(b"of another version", 1))
    segment.with_suffix(".corrupt").mkdir()  # so that it cannot be renamed

    async with spilling(tmp_path) as spill:
        assert await drain(spill) == ["a"]
        assert await drain(spill) == []
    assert segment.exists()


async def test_unrelated_files_and_directories_stop_nothing_and_are_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "0.spill").mkdir()
    (tmp_path / "1.spill").write_bytes(os.urandom(500))
    (tmp_path / "2.spill").symlink_to(tmp_path / "nowhere")
    async with spilling(tmp_path) as spill:
        await spill.append([raw("a")])
        assert await drain(spill) == ["a"]
        await spill.append([raw("b")])
        assert await drain(spill) == ["b"]
    assert [path.name for path in files_in(tmp_path)] == ["0.spill", "1.corrupt", "2.spill", "notes.txt"]


@pytest.mark.parametrize(
    "head", [Head(drained=2**60), Head(bodies_drained=2**32 - 1), Head(drained=HEAD_BYTES + 1), Head(drained=0)]
)
async def test_an_invalid_segment_head_loses_nothing(tmp_path: Path, head: Head) -> None:
    async with spilling(tmp_path) as spill:
        await spill.append([raw("a")])
        await spill.append([raw("b")])
    [path] = files_in(tmp_path)
    path.write_bytes(head.pack() + path.read_bytes()[HEAD_BYTES:])
    async with spilling(tmp_path) as spill:
        assert await drain(spill) == ["a", "b"]
    assert files_in(tmp_path) == []
