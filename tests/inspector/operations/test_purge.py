"""The purge exports, removes, counts and reports dead letters that are too old or too many, also after a kill."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker import dead_letters
from broker.dead_letters import ExportedDeadLetter
from broker.monitoring import audit, stats
from broker.monitoring.alerts import current_alerts
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations import retention, retention_task
from inspector.operations.export.export_format import parse_letter
from inspector.operations.retention import PurgeBusyError, PurgeResult
from inspector.settings import DeadSettings
from tests.inspector.cli.command_line import hookline
from tests.inspector.stack import all_letters, make_dead_letters, sample
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until

DAY_MS = 86_400_000


async def aged(redis: Client, *days: float) -> list[str]:
    """Add letters that died this number of days ago. Returns their ids."""
    now_ms = time.time_ns() // 1_000_000
    exported = [
        ExportedDeadLetter(
            dead_letters.unreadable_batch(b"body %d" % number, 1, "no batch"), int(now_ms - ago * DAY_MS)
        )
        for number, ago in enumerate(days)
    ]
    await dead_letters.import_dead_letters(redis, exported)
    return [letter.stored_letter.letter.id for letter in exported]


async def purged(redis: Client, settings: DeadSettings, round_of: int = 10) -> list[PurgeResult]:
    return [result async for result in retention.purge(Partitions([redis]), settings, by="ann", round_of=round_of)]


async def left(redis: Client) -> set[str]:
    return {letter.id for letter in await all_letters(redis)}


def in_files(directory: Path) -> list[str]:
    exported = [
        parse_letter(line) for file in directory.glob("*.jsonl") for line in file.read_bytes().splitlines()
    ]
    return [one.stored_letter.letter.id for one in exported if one]


def begun(directory: Path) -> bool:
    return bool(list(directory.glob(".*.part")))


async def test_letters_that_are_too_old_are_exported_removed_counted_and_reported(
    redis: Client, tmp_path: Path
) -> None:
    ids = await aged(redis, 1, 29, 31, 400)

    [done] = await purged(redis, DeadSettings(keep_days=30, export_dir=str(tmp_path)))

    assert (done.letters, done.left) == (2, 0)
    assert await left(redis) == set(ids[:2])
    assert sorted(in_files(tmp_path)) == sorted(ids[2:])
    totals = await stats.read_totals(redis)
    assert (totals.purged, totals.dead_at_intake, totals.bodies_add_up()) == (2, 4, True)
    [recorded] = await audit.read(redis)
    assert (recorded.audit_entry.by, recorded.audit_entry.what, recorded.audit_entry.about) == (
        "ann",
        "purge",
        "2 dead letters",
    )
    assert recorded.audit_entry.details["file"] == done.file
    assert (await dead_letters.read_unreported(redis)).purged == 2, "workers report it"


async def test_beyond_the_maximum_the_oldest_letters_are_removed_first(redis: Client) -> None:
    ids = await aged(redis, *range(7))

    done = await purged(redis, DeadSettings(keep_count=3), round_of=2)

    assert [(result.letters, result.left) for result in done] == [(2, 2), (2, 0)]
    assert await left(redis) == set(ids[:3])


async def test_both_limits_apply_together_and_without_any_nothing_is_removed(redis: Client) -> None:
    ids = await aged(redis, 1, 2, 3, 40)
    assert (await retention.due(Partitions([redis]), DeadSettings())).count == 0
    assert (await retention.due(Partitions([redis]), DeadSettings(keep_days=30, keep_count=2))).count == 2
    assert (await retention.due(Partitions([redis]), DeadSettings(keep_days=30, keep_count=9))).count == 1
    assert (await retention.due(Partitions([redis]), DeadSettings(keep_days=1.5, keep_count=9))).count == 3
    assert await purged(redis, DeadSettings()) == []
    assert await left(redis) == set(ids)


async def test_nothing_is_removed_if_the_export_fails(
    redis: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await aged(redis, 40, 50)
    settings = DeadSettings(keep_days=30, export_dir=str(tmp_path / "none"))

    with pytest.raises(OSError, match="No such file"):
        await purged(redis, settings)
    with caplog.at_level(logging.WARNING, "hookline"):
        await retention_task.once(Partitions([redis]), settings)

    assert await left(redis) == set(ids)
    [alert] = await current_alerts(redis, now_ms=time.time_ns() // 1_000_000)
    assert (alert.kind, alert.text) == ("purge_failed", caplog.records[0].message)
    assert "dead.export_dir: No such file" in alert.text
    assert not await redis.exists(KEYS.purging)


async def test_only_one_purge_runs_at_a_time(redis: Client) -> None:
    ids = await aged(redis, 40)
    assert await dead_letters.take_lease(redis, "another", lasts_ms=60_000)
    with pytest.raises(PurgeBusyError):
        await purged(redis, DeadSettings(keep_days=30))
    assert await left(redis) == set(ids)
    assert await redis.get(KEYS.purging) == b"another"
    assert 0 < await redis.pttl(KEYS.purging) <= 60_000


async def test_a_purge_ends_although_letters_were_deleted_by_hand(redis: Client) -> None:
    ids = await aged(redis, 3, 2, 1)
    await redis.delete(*(KEYS.dead + name for name in ids[:2]))

    done = await purged(redis, DeadSettings(keep_days=0.5), round_of=2)

    assert [result.letters for result in done] == [0]
    assert len(await audit.read(redis)) == 1


async def test_a_letter_that_was_removed_meanwhile_is_not_counted(redis: Client, tmp_path: Path) -> None:
    ids = await aged(redis, 40, 41, 42)
    settings = DeadSettings(keep_days=30, export_dir=str(tmp_path))

    async def discarded_while_exported() -> None:
        await until(lambda: list(tmp_path.iterdir()))
        await dead_letters.discard(
            redis, [letter for letter in await dead_letters.letters(redis, ids[:1]) if letter]
        )

    _, [done] = await asyncio.gather(discarded_while_exported(), purged(redis, settings))

    totals = await stats.read_totals(redis)
    assert (totals.purged + totals.discarded, done.letters) == (3, totals.purged)


_PURGE = """
import asyncio, sys
from broker.redis.connection import Settings
from broker.redis.partitions import connect_all
from inspector.operations import retention_task
from inspector.settings import DeadSettings
async def main():
    partitions = connect_all(Settings(url=sys.argv[1]))
    settings = DeadSettings(keep_days=30, export_dir=sys.argv[2])
    await retention_task.run(partitions, lambda: settings, every_s=0.05)
asyncio.run(main())
"""


async def test_a_purge_that_is_killed_repeatedly_removes_only_exported_letters(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    ids = await aged(redis, *[40.0] * 4000)
    kills = 0
    for chosen in range(4):
        before = await dead_letters.count(redis)
        purging = [sys.executable, "-c", _PURGE, redis_server.url, str(tmp_path)]
        async with running_program(*purging, stderr=asyncio.subprocess.DEVNULL) as process:
            await until(lambda: _has_begun(redis, tmp_path, before, chosen))  # noqa: B023 - awaited here
            process.kill()
        kills += 0 < await dead_letters.count(redis) < 4000 or begun(tmp_path)
        gone = set(ids) - await _all(redis, ids)
        assert gone <= set(in_files(tmp_path))
        await redis.delete(KEYS.purging)  # as if its lease of a minute had expired

    await retention_task.once(Partitions([redis]), DeadSettings(keep_days=30, export_dir=str(tmp_path)))

    assert kills >= 2, "it was to be killed in the middle"
    assert await dead_letters.count(redis) == 0
    assert set(in_files(tmp_path)) == set(ids)
    assert not begun(tmp_path)
    totals = await stats.read_totals(redis)
    assert (totals.purged, totals.bodies_add_up()) == (4000, True)


async def _has_begun(redis: Client, directory: Path, before: int, chosen: int) -> bool:
    """Return whether the purge has begun to write (even `chosen`) or to remove (odd `chosen`)."""
    if chosen % 2:
        return await dead_letters.count(redis) < before or before == 0
    return begun(directory) or await dead_letters.count(redis) == 0


async def _all(redis: Client, ids: Sequence[str]) -> set[str]:
    return {row.id for row in await dead_letters.read_rows(redis, ids) if row.letter}


async def test_the_command_purges_and_its_dry_run_shows_what_it_would_remove(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    await aged(redis, 40, 50)
    keep = {"dead": {"keep_days": 30.0, "export_dir": str(tmp_path)}}

    for_ever = await hookline(redis_server, "dead", "purge")
    would = await hookline(redis_server, "dead", "purge", "--dry-run", config=keep)
    nowhere_to = {"dead": {"keep_days": 30.0, "export_dir": "/none"}}
    nowhere = await hookline(redis_server, "dead", "purge", config=nowhere_to)
    did = await hookline(redis_server, "dead", "purge", "--json", config=keep)

    assert for_ever.exit_code == 2 and "dead.keep_days" in for_ever.stderr
    assert would.stdout == "2 dead letters to remove\n"
    assert nowhere.exit_code == 1 and "nothing more is removed" in nowhere.stderr
    record = json.loads(did.stdout)
    assert record["purged"] == 2 and len(record["files"]) == 1 and len(in_files(tmp_path)) == 2
    assert len(await all_letters(redis)) == 1
