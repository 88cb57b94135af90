"""Export and import of dead letters, between two real Redis servers."""

from __future__ import annotations

import asyncio
import json
import stat
import string
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker import dead_letters
from broker.dead_letters import DeadLetter, Dimensions, ExportedDeadLetter, Note, StoredDeadLetter
from broker.monitoring import audit, stats
from broker.queue import jobs
from broker.queue.jobs import Attempt
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, search
from inspector.operations.export.export import (
    ImportFileError,
    ImportProgress,
    export_lines,
    import_lines,
    read_with_bodies,
)
from inspector.operations.export.export_format import LineError, format_letter, parse_letter
from inspector.operations.filters import Filter
from launcher.composition.dead_letter_terms import buckets, terms
from sources.settings import Settings as SourceSettings
from tests.inspector.cli.command_line import command, hookline, refused_by_crm
from tests.inspector.stack import (
    BROKEN,
    all_letters,
    make_dead_letters,
    run_action,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.libraries import AnObject, msgspec_refusal
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until

TERMS = terms({"voucherify": SourceSettings()})
BUCKETS = buckets({"voucherify": SourceSettings()})


@pytest.fixture(scope="module")
def other_server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory)).start()
        yield server
        server.stop()


@pytest.fixture
async def other(other_server: RedisServer) -> AsyncIterator[Client]:
    client = connect(Settings(url=other_server.url))
    await client.flushall()
    yield client
    await client.aclose(close_connection_pool=True)


async def exported(redis: Client, wanted: Filter | None = None) -> list[bytes]:
    pieces = [piece async for piece in export_lines(Partitions([redis]), wanted or Filter(), by="ann")]
    return b"".join(pieces).splitlines(keepends=True)


async def brought_in(redis: Client, lines: Sequence[bytes]) -> ImportProgress:
    steps = [
        step async for step in import_lines(Partitions([redis]), lines, TERMS, BUCKETS, by="ann", about="file")
    ]
    return steps[-1]


async def everything(redis: Client) -> list[ExportedDeadLetter]:
    ids = [letter.id for letter in await all_letters(redis)]
    letters, unreadable = await read_with_bodies([(redis, name) for name in ids])
    assert not unreadable
    return letters


texts = st.text(max_size=30)
millis = st.integers(min_value=1, max_value=10**14)
attempts = st.builds(Attempt, millis, st.integers(0, 10**6), texts, texts, texts)
notes = st.builds(Note, millis, texts, texts)


@st.composite
def kept(draw: st.DrawFn) -> ExportedDeadLetter:
    stage = draw(st.sampled_from(["intake", "notify"]))
    size = draw(st.integers(1, 64))
    job = f"job.{size}" if stage == "notify" and draw(st.booleans()) else ""
    letter = DeadLetter(
        id=draw(st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=17, max_size=17)),
        fingerprint=draw(st.text(string.hexdigits, min_size=1, max_size=8)),
        stage=stage,
        reason=draw(texts),
        error=draw(texts),
        error_class=draw(texts),
        path=draw(texts),
        source=draw(st.sampled_from(["voucherify", "shop", ""])),
        event=draw(texts),
        event_hint=draw(texts),
        headers=draw(texts),
        received_at_ms=draw(millis),
        died_at_ms=draw(millis),
        bodies=draw(st.integers(1, 128)) if stage == "intake" else 0,
        rule=draw(texts),
        channel=draw(texts),
        key=draw(texts),
        digest=draw(st.booleans()),
        job=job and f"{draw(st.integers(0, 10**9))}{job}",
        attempts=tuple(draw(st.lists(attempts, max_size=2))),
    )
    done = draw(st.sets(st.integers(0, size - 1), max_size=3)) if job else set()
    stored_letter = StoredDeadLetter(
        letter, draw(st.binary(max_size=200)), (), tuple(draw(st.lists(notes, max_size=2)))
    )
    return ExportedDeadLetter(stored_letter, draw(millis), tuple(sorted(done)))


@settings(max_examples=30, suppress_health_check=[*HealthCheck])
@given(
    st.lists(
        kept(),
        max_size=4,
        unique_by=(lambda one: one.stored_letter.letter.id, lambda one: one.stored_letter.letter.job or one),
    )
)
def test_letters_exported_and_imported_elsewhere_are_equal(
    redis_server: RedisServer, other_server: RedisServer, letters: list[ExportedDeadLetter]
) -> None:
    async def there_and_back() -> None:
        here, there = (connect(Settings(url=server.url)) for server in (redis_server, other_server))
        try:
            await here.flushall()
            await there.flushall()
            await dead_letters.import_dead_letters(here, letters)
            lines = await exported(here)
            await brought_in(there, lines)

            assert await everything(there) == await everything(here)
            assert {one.stored_letter.letter.id: one for one in await everything(there)} == {
                one.stored_letter.letter.id: one for one in letters
            }
            assert (await exported(there))[1:] == lines[1:]
            totals = await stats.read_totals(there)
            assert totals.bodies_add_up() and totals.notifications_add_up()
            assert totals.imported == len(letters)
        finally:
            await here.aclose()
            await there.aclose()

    asyncio.run(there_and_back())


@given(st.binary(max_size=60))
def test_any_line_is_read_as_a_letter_or_refused(line: bytes) -> None:
    try:
        parse_letter(line)
    except LineError as error:
        assert str(error)


@given(kept(), st.data())
def test_a_damaged_line_never_becomes_another_letter_silently(
    one: ExportedDeadLetter, data: st.DataObject
) -> None:
    line = format_letter(one)
    cut = line[: data.draw(st.integers(1, len(line) - 2))]
    with pytest.raises(LineError):
        parse_letter(cut)


async def test_an_imported_letter_is_found_by_search_and_its_dimensions(
    redis_server: RedisServer, redis: Client, other: Client
) -> None:
    await refused_by_crm(redis_server, redis, 1, 2)
    await make_dead_letters(redis_server, redis, sample(3)[:-30], source="voucherify")
    customer = json.loads(sample(1))["data"]["customer"]["id"]
    email = json.loads(sample(1))["data"]["customer"]["email"]
    assert await search.count(Partitions([redis]), Filter(search=customer)) >= 1

    await brought_in(other, await exported(redis))

    for wanted in (Filter(search=customer), Filter(search=email), Filter(channel="crm"), Filter(stage="intake")):
        here = [entry.letter for entry in (await search.find(Partitions([redis]), wanted)).entries]
        assert here and here == [
            entry.letter for entry in (await search.find(Partitions([other]), wanted)).entries
        ]
    there, here_too = await dead_letters.read_combinations(other), await dead_letters.read_combinations(redis)
    assert {kind.id: kind for kind in there.combinations} == {kind.id: kind for kind in here_too.combinations}
    assert await dead_letters.new_groups(other, since_ms=0) == []


async def test_a_redelivery_retries_an_imported_notification(
    redis_server: RedisServer, redis: Client, other: Client
) -> None:
    await refused_by_crm(redis_server, redis, 1)
    [line] = (await exported(redis))[1:]
    search_terms = TERMS(parse_letter(line).stored_letter)  # type: ignore[union-attr]

    assert search_terms[0].startswith("seen:")
    await brought_in(other, [line])
    assert len(await dead_letters.search(other, search_terms[0], count=10)) == 1


async def test_the_sums_hold_after_export_discard_import_and_replay_on_the_same_redis(
    redis_server: RedisServer, redis: Client
) -> None:
    await refused_by_crm(redis_server, redis, 1)
    await make_dead_letters(redis_server, redis, sample(2), sample(3))
    before = await everything(redis)
    lines = await exported(redis)
    await run_action(redis, "discard", await bulk_actions.select(Partitions([redis]), Filter()))

    first, again = await brought_in(redis, lines), await brought_in(redis, lines)

    assert (first.imported, first.existing) == (3, 0)
    assert (again.imported, again.existing) == (0, 3)
    assert await everything(redis) == before
    totals = await stats.read_totals(redis)
    assert totals.bodies_add_up() and totals.notifications_add_up()
    assert (totals.accepted, totals.dead_at_intake, totals.created, totals.dead) == (5, 4, 2, 2)
    assert (totals.discarded, totals.imported) == (3, 3)

    await run_action(redis, "replay", await bulk_actions.select(Partitions([redis]), Filter(stage="intake")))
    async with running_worker(redis_server, sources=("voucherify", "absent")):
        totals = await wait_until_idle(redis)
    assert totals.bodies_add_up() and totals.notifications_add_up()
    assert (totals.replayed, totals.dead_at_intake) == (2, 2)


async def test_an_unreadable_job_keeps_what_is_settled_of_it(redis: Client, other: Client) -> None:
    stored_letter = dead_letters.unreadable_job("somejob.5", b"garbage", "no job")
    await dead_letters.import_dead_letters(redis, [ExportedDeadLetter(stored_letter, 5, (1, 3))])

    await brought_in(other, await exported(redis))

    assert await jobs.settled_indices(other, "somejob.5") == {1, 3}
    totals = await stats.read_totals(other)
    assert (totals.created, totals.dead, totals.notifications_add_up()) == (3, 3, True)
    await run_action(other, "replay", [stored_letter.letter.id])
    lines = await exported(redis)
    assert (await brought_in(other, lines)).existing == 1, "its job is under way again"
    assert (await stats.read_totals(other)).notifications_add_up()


async def test_a_damaged_line_is_reported_and_the_lines_before_it_are_imported(
    redis_server: RedisServer, redis: Client, other: Client
) -> None:
    await make_dead_letters(redis_server, redis, *(sample(number) for number in range(5)))
    head, *lines = await exported(redis)
    faulty = {
        b'{"v":1,"at_ms"\n': "truncated",
        b'{"v":2}\n': "version 2",
        b"[]\n": msgspec_refusal(AnObject, []),
        lines[0].replace(b'"stage":"intake"', b'"stage":"else"'): "letter.stage",
        lines[0].replace(b'"body":"', b'"body":"%'): "body",
        lines[0].replace(b'"at_ms":', b'"at_ms":-'): "at_ms",
        lines[0].replace(b'"died_at_ms":', b'"died_at_ms":99999999999999999999'): "",
    }
    for bad, reason in faulty.items():
        await other.flushall()
        with pytest.raises(ImportFileError) as error:
            await brought_in(other, [head, *lines[:3], bad, *lines[3:]])
        assert str(error.value).startswith("line 5: ") and reason in str(error.value)
        assert error.value.progress == ImportProgress(3, 0, 4)
        assert len(await all_letters(other)) == 3

    assert (await brought_in(other, [head, *lines, b"\n"])).imported == 2


async def test_a_full_redis_takes_all_of_a_step_or_nothing(
    redis_server: RedisServer, redis: Client, other: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2))
    lines = await exported(redis)
    await other.config_set("maxmemory", 1)
    try:
        with pytest.raises(Exception, match="full"):
            await dead_letters.import_dead_letters(
                other, [letter for letter in map(parse_letter, lines) if letter]
            )
    finally:
        await other.config_set("maxmemory", 0)
    assert await all_letters(other) == []


def names_in(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_an_export_is_audited_without_the_search_text(redis: Client) -> None:
    await exported(redis, Filter(search="ada@example.com", stage="notify"))
    [recorded] = await audit.read(redis)
    assert (recorded.audit_entry.by, recorded.audit_entry.what) == ("ann", "export")
    assert recorded.audit_entry.about == "stage=notify, search=***"


async def test_the_commands_export_to_a_private_file_and_import_it(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    await make_dead_letters(redis_server, redis, BROKEN, sample(2))
    file = tmp_path / "all.jsonl"

    done = await hookline(redis_server, "dead", "export", "--file", str(file))
    again = await hookline(redis_server, "dead", "export", "--file", str(file))
    streamed = await hookline(redis_server, "dead", "export", "--reason", "unknown source")
    await run_action(redis, "discard", await bulk_actions.select(Partitions([redis]), Filter()))
    brought = await hookline(redis_server, "dead", "import", str(file), "--json")

    assert done.exit_code == 0 and "2 dead letters exported" in done.stderr and "personal data" in done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert again.exit_code == 2 and "choose a new name" in again.stderr
    assert len(streamed.stdout.splitlines()) == 3
    assert names_in(tmp_path) == ["all.jsonl"]
    assert json.loads(brought.stdout)["imported"] == 2
    assert len(await all_letters(redis)) == 2


async def test_a_damaged_file_is_reported_in_one_line_with_the_line_number(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2))
    lines = await exported(redis)
    file = tmp_path / "cut.jsonl"
    file.write_bytes(b"".join(lines)[:-20])
    await redis.flushall()

    imported = await hookline(redis_server, "dead", "import", str(file))
    none = await hookline(redis_server, "dead", "import", str(tmp_path / "none"))

    assert imported.exit_code == 1 and "cut.jsonl, line 3: it is cut off" in imported.stderr
    assert "1 dead letter imported" in imported.stdout
    assert none.exit_code == 1 and "No such file" in none.stderr


async def test_an_import_that_was_killed_completes_when_run_again(
    other_server: RedisServer, other: Client, tmp_path: Path
) -> None:
    letters = [
        ExportedDeadLetter(dead_letters.unreadable_batch(b"%d" % number, 2, "no batch"), 1000 + number)
        for number in range(3000)
    ]
    file = tmp_path / "all.jsonl"
    file.write_bytes(b"".join(format_letter(letter) for letter in letters))
    async with running_program(*command(other_server, "dead", "import", str(file))) as process:
        await until(lambda: other.exists(KEYS.dead_index))
        process.kill()
    there = await dead_letters.count(other)

    result = await hookline(other_server, "dead", "import", str(file), "--json")

    assert 0 < there < 3000, "it was to be killed in the middle"
    assert json.loads(result.stdout) == {"imported": 3000 - there, "existing": there, "lines": 3000}
    totals = await stats.read_totals(other)
    assert (totals.accepted, totals.dead_at_intake, totals.imported) == (6000, 6000, 3000)


def test_dimensions_depend_on_the_letter_alone() -> None:
    assert {field.name for field in msgspec.structs.fields(Dimensions)} - {"attempts"} <= {
        field.name for field in msgspec.structs.fields(DeadLetter)
    }
