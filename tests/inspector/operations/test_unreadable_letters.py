"""A dead letter that cannot be read is shown as such, can be annotated and discarded, and otherwise stays."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from broker.dead_letters import stored_actions
from broker.monitoring import stats
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, retention_task, search, single_letter
from inspector.operations.export.export import ExportProgress, export_lines
from inspector.operations.filters import Filter
from inspector.operations.forget import forget_person
from inspector.operations.groups.failure_groups import list_groups
from inspector.operations.retention import PurgeResult
from inspector.operations.single_letter import EditError
from inspector.privacy.person import Person
from inspector.settings import DeadSettings
from runtime.dry_run import DryRunResult
from sources import KINDS
from tests.inspector.cli.command_line import hookline
from tests.inspector.operations.test_purge import aged, in_files, left, purged
from tests.inspector.stack import BROKEN, all_letters, make_dead_letters, make_unreadable, run_action
from tests.names import KEYS
from tests.redis_server import RedisServer


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def _three(server: RedisServer, redis: Client) -> tuple[str, set[str]]:
    """Make three letters of which the second cannot be read. Returns that one and the others."""
    await make_dead_letters(server, redis, BROKEN + b"1", BROKEN + b"2", BROKEN + b"3", source="voucherify")
    ids = [letter.id for letter in await all_letters(redis)]
    await make_unreadable(redis, ids[1])
    return ids[1], {ids[0], ids[2]}


async def test_an_unreadable_letter_is_found_by_its_dimensions(redis_server: RedisServer, redis: Client) -> None:
    lost, others = await _three(redis_server, redis)

    for wanted in (Filter(), Filter(source="voucherify"), Filter(reason="undecodable")):
        page = await search.find(Partitions([redis]), wanted)
        assert {entry.letter.id for entry in page.entries} == {lost, *others}
        assert await search.count(Partitions([redis]), wanted) == 3
    assert await search.count(Partitions([redis]), Filter(source="other")) == 0
    [group] = await list_groups(Partitions([redis]))
    assert group.count == 3
    page = await search.find(Partitions([redis]), Filter(search=lost))
    assert [entry.letter.is_unreadable for entry in page.entries] == [True]


async def test_the_commands_show_and_discard_an_unreadable_letter(
    redis_server: RedisServer, redis: Client
) -> None:
    lost, others = await _three(redis_server, redis)

    listed = await hookline(redis_server, "dead", "list")
    shown = await hookline(redis_server, "dead", "show", lost)
    record = json.loads((await hookline(redis_server, "dead", "show", lost, "--json")).stdout)
    raw = await hookline(redis_server, "dead", "show", lost, "--raw")
    discarded = await hookline(redis_server, "dead", "discard", lost, "--yes")

    assert all(name in listed.stdout for name in (lost, *others))
    assert "cannot read it" in shown.stdout and "body" not in shown.stdout
    assert (record["stage"], record["reason"], record["replay_now"]["passes"]) == ("unknown", "unreadable", False)
    assert (raw.exit_code, raw.stdout) == (1, "") and lost in raw.stderr
    assert discarded.exit_code == 0
    assert {letter.id for letter in await all_letters(redis)} == others
    assert (await stats.read_totals(redis)).bodies_add_up()


async def test_a_replay_leaves_an_unreadable_letter_and_reports_why(
    redis_server: RedisServer, redis: Client
) -> None:
    lost, _ = await _three(redis_server, redis)

    replayed = await hookline(redis_server, "dead", "replay", "--all", "--yes")

    assert replayed.exit_code == 1
    assert "replayed 2 of 3 dead letters, 1 left unchanged" in replayed.stdout
    assert "cannot read it" in replayed.stdout
    [action] = await stored_actions.recent(redis)
    assert (action.state, action.done, action.failed, action.missing) == ("done", 2, 1, 0)
    assert [letter.id for letter in await all_letters(redis)] == [lost]


async def test_a_dry_run_shows_that_an_unreadable_letter_would_stay(
    redis_server: RedisServer, redis: Client
) -> None:
    await _three(redis_server, redis)
    chosen = await bulk_actions.select(Partitions([redis]), Filter())
    action = await bulk_actions.begin(Partitions([redis]), "dry_run", chosen, by="ann", owner="me")

    steps = bulk_actions.run(Partitions([redis]), action, owner="me", dry_run=lambda _: DryRunResult(passes=True))
    last = [step async for step in steps][-1]

    assert (last.done, last.passed, last.failed) == (3, 2, 1)
    assert "cannot read it" in last.causes[0].error


async def test_a_note_and_a_discard_of_all_include_unreadable_letters(
    redis_server: RedisServer, redis: Client
) -> None:
    await _three(redis_server, redis)

    noted = await run_action(redis, "annotate", await bulk_actions.select(Partitions([redis]), Filter()))
    discarded = await run_action(
        redis, "discard", await bulk_actions.select(Partitions([redis]), Filter(source="voucherify"))
    )

    assert (noted.done, discarded.done) == (3, 3)
    assert await all_letters(redis) == []
    assert await redis.hlen(KEYS.dead_dicts) == 0


async def test_an_export_leaves_an_unreadable_letter_out_and_reports_it(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    _, others = await _three(redis_server, redis)
    progress = ExportProgress()

    lines = [piece async for piece in export_lines(Partitions([redis]), Filter(), by="ann", progress=progress)]
    export = await hookline(redis_server, "dead", "export", "--file", str(tmp_path / "all.jsonl"))

    assert (progress.letters, progress.unreadable) == (2, 1)
    assert json.loads(lines[-1])["header"]["letters"] == 1
    assert export.exit_code == 1
    assert "2 dead letters exported" in export.stderr and "not exported: 1 dead letter" in export.stderr
    assert set(in_files(tmp_path)) == others


@pytest.mark.parametrize("round_of", [1, 2, 10])
@pytest.mark.parametrize("is_exported", [True, False])
async def test_a_purge_skips_an_unreadable_letter_and_loses_nothing(
    redis: Client, tmp_path: Path, round_of: int, is_exported: bool
) -> None:
    ids = await aged(redis, 9, 8, 7, 6, 5)
    await make_unreadable(redis, ids[0], ids[1], ids[3])
    settings = DeadSettings(keep_days=1, export_dir=str(tmp_path) if is_exported else "")

    done = await purged(redis, settings, round_of=round_of)

    assert sum(result.letters for result in done) == 2
    assert sum(result.unreadable for result in done) == 3
    assert done[-1].left == 0
    assert await left(redis) == {ids[0], ids[1], ids[3]}
    assert set(in_files(tmp_path)) == ({ids[2], ids[4]} if is_exported else set())
    assert await purged(redis, settings) == [PurgeResult(0, "", 0, 3)]
    assert len(files_in(tmp_path)) == sum(bool(result.file) for result in done)


async def test_a_body_that_cannot_be_exported_is_not_purged(redis: Client, tmp_path: Path) -> None:
    [letter] = await aged(redis, 9)
    packed = await redis.get(KEYS.dead + letter)
    assert packed is not None
    head, found, tail = packed.rpartition(b"\x28\xb5\x2f\xfd")
    await redis.set(KEYS.dead + letter, head + b"none" + tail)
    assert found

    done = await purged(redis, DeadSettings(keep_days=1, export_dir=str(tmp_path)))

    assert done == [PurgeResult(0, "", 0, 1)]
    assert await left(redis) == {letter}


async def test_letters_that_retention_has_to_keep_are_logged(
    redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await make_unreadable(redis, *await aged(redis, 9))

    with caplog.at_level(logging.WARNING, logger="hookline.inspector"):
        await retention_task.once(Partitions([redis]), DeadSettings(keep_days=1))

    assert [record.getMessage() for record in caplog.records] == [
        "1 dead letters cannot be read, so they were not purged"
    ]


async def test_forget_reports_that_an_unreadable_letter_may_hold_the_person(
    redis_server: RedisServer, redis: Client
) -> None:
    lost, others = await _three(redis_server, redis)

    done = await forget_person(Partitions([redis]), Person(["ada@example.com"], KINDS), lambda _: (), by="ann")

    assert (done.unknown, done.unreadable, done.is_complete) == (1, [], False)
    assert {letter.id for letter in await all_letters(redis)} == {lost, *others}


async def test_an_unreadable_letter_cannot_be_edited(redis_server: RedisServer, redis: Client) -> None:
    lost, _ = await _three(redis_server, redis)
    stored_letter = await search.get(Partitions([redis]), lost)
    assert stored_letter is not None

    with pytest.raises(EditError, match="cannot read it"):
        single_letter.editable_text(stored_letter)
    with pytest.raises(EditError, match="cannot read it"):
        await single_letter.replay_edited(Partitions([redis]), lost, b"{}", by="ann")
    assert (await stats.read_totals(redis)).queued == 0
