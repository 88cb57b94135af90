"""Tests of dead letters in Redis: compression, and finding them by time, by dimensions and by search terms."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from broker import dead_letters
from broker.dead_letters import MIXED, NEWEST, ExportedDeadLetter, Note, Position, StoredDeadLetter, dimensions_of
from broker.dead_letters.packing import packed, unpacked_body, unpacked_letter
from broker.dead_letters.replay import retry_redelivered
from broker.monitoring import stats
from broker.queue.batch import RawBody
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.scripting.scripts import Blobs
from tests.inspector.stack import add_stored, make_unreadable
from tests.names import KEYS

BODY = b'{"customer":{"id":"cust_1","email":"ada@example.com"},"balance":{"points":40}}'


def stored_letter(
    number: int, *, error_class: str = "E", event: str = "order.paid", terms: Sequence[str] = ()
) -> StoredDeadLetter:
    body = BODY.replace(b"cust_1", b"cust_%d" % number)
    return dead_letters.died_at_intake(
        RawBody(number, "shop", "", body, "content-type: application/json"),
        reason="failed",
        error=f"fault {number}",
        error_class=error_class,
        event=event,
        terms=terms,
    )


texts = st.text(max_size=60)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=3000), texts, texts), min_size=1, max_size=6), st.integers())
def test_letters_unpack_whatever_was_packed_before_them(given_: list[tuple[bytes, str, str]], group: int) -> None:
    dictionaries: dict[str, bytes] = {}
    for body, error, path in given_:
        blobs: list[bytes] = []

        def place(blob: bytes, blobs: list[bytes] = blobs) -> int:
            blobs.append(blob)
            return len(blobs) - 1

        dying = dead_letters.died_at_intake(
            RawBody(1, "shop", "", body), reason="failed", error=error, error_class=f"E{group}", path=path[:3]
        )
        *_, name, _, _, dimensions, letter, content, dictionary = packed(dying, place)
        if name:
            dictionaries[str(name)] = blobs[int(str(dictionary))]
        assert unpacked_letter(blobs[int(str(letter))], str(name), dictionaries) == dying.letter
        assert unpacked_body(blobs[int(str(content))], str(name), dictionaries) == body
        assert blobs[int(str(dimensions))]


def test_dimensions_that_letters_share_are_sent_once() -> None:
    blobs = Blobs()
    stored_letters = [packed(stored_letter(number, error_class="Common"), blobs.place) for number in range(10)]

    assert len(blobs.all) == 2 * 10 + 3, "letter and body of each; the dimensions, no dictionary, the dictionary"
    for *_, dimensions, _, _, dictionary in stored_letters[1:]:
        assert (dimensions, dictionary) == (stored_letters[0][-4], stored_letters[1][-1])
    assert blobs.all[int(str(stored_letters[-1][-2])) - 1]


async def test_similar_letters_take_a_fraction_of_the_space_of_single_ones(redis: Client) -> None:
    stored_letters = [stored_letter(number, error_class="Alike") for number in range(3)]
    noise = random.Random(1).randbytes(1500).hex().encode()
    stored_letters = [StoredDeadLetter(one.letter, one.body + noise) for one in stored_letters]
    await add_stored(redis, stored_letters)

    sizes = [len(await redis.get(KEYS.dead + one.letter.id) or b"") for one in stored_letters]

    assert max(sizes[1:]) < 250
    assert sizes[0] > 1500
    assert [
        stored.body if stored else b""
        for stored in await dead_letters.stored_letters(redis, [new.letter.id for new in stored_letters])
    ] == [new.body for new in stored_letters]


async def test_deleting_all_letters_leaves_only_the_times_of_failure_groups(redis: Client) -> None:
    stored_letters = [
        stored_letter(number, error_class=f"Gone{number % 2}", terms=[f"cust_{number}", "all"])
        for number in range(6)
    ]
    await add_stored(redis, stored_letters)
    await dead_letters.annotate(redis, [stored_letters[0].letter.id], Note(1, "ann", "look"))
    assert await redis.exists(KEYS.dead_dicts)

    assert await dead_letters.discard(redis, [one.letter for one in stored_letters]) == 6

    assert {key.decode() async for key in redis.scan_iter(KEYS.dead + "*")} == {
        KEYS.dead_groups,
        KEYS.dead_news,
        KEYS.dead_unreported,
        KEYS.dead_find_key,
    }
    assert await dead_letters.discard(redis, [one.letter for one in stored_letters]) == 0


async def test_a_letter_that_is_added_twice_is_kept_once(redis: Client) -> None:
    dying = stored_letter(1, terms=["cust_1"])
    await add_stored(redis, [dying])
    await add_stored(redis, [dying])

    assert await dead_letters.count(redis) == 1
    assert [row.id for row in await dead_letters.search(redis, "cust_1", count=10)] == [dying.letter.id]


async def test_letters_of_several_kinds_come_newest_first_in_pages(redis: Client) -> None:
    stored_letters = [stored_letter(number, event=f"event-{number % 7}") for number in range(60)]
    for start in range(0, 60, 20):  # 20 letters die at the same moment
        await add_stored(redis, stored_letters[start : start + 20])
    wanted = {dimensions_of(stored_letter(0, event=f"event-{number}").letter).id for number in (0, 2, 3, 6)}
    expected = [
        row.id
        for row in await dead_letters.read_older(redis, NEWEST, count=100)
        if row.letter and _kind(row) in wanted
    ]

    read_ids: list[str] = []
    place = NEWEST
    while rows := await dead_letters.read_older(redis, place, count=3, kinds=sorted(wanted)):
        read_ids += [row.id for row in rows]
        place = Position(rows[-1].at_ms, rows[-1].id)

    assert read_ids == expected
    assert len(read_ids) == sum(number % 7 in (0, 2, 3, 6) for number in range(60))


async def test_kinds_are_counted_with_their_first_and_last_time(redis: Client) -> None:
    await add_stored(redis, [stored_letter(number, event="a") for number in range(3)])
    await add_stored(redis, [stored_letter(4, event="b"), stored_letter(5, event="a")])

    kinds = await dead_letters.read_combinations(redis)

    assert kinds.mixed == 0
    by_event = {kind.dimensions.event: kind for kind in kinds.combinations}
    assert (by_event["a"].count, by_event["b"].count) == (4, 1)
    assert by_event["a"].first_ms <= by_event["b"].first_ms <= by_event["a"].last_ms
    later = await dead_letters.read_combinations(redis, since_ms=by_event["a"].last_ms + 1)
    assert later.combinations == []


async def test_kinds_beyond_the_number_that_is_kept_apart_are_found_too(redis: Client) -> None:
    beyond = 40
    stored_letters = [
        stored_letter(number, event=f"event-{number}") for number in range(keys.DIMENSIONS_MAX + beyond)
    ]
    for start in range(0, len(stored_letters), 500):
        await add_stored(redis, stored_letters[start : start + 500])

    kinds = await dead_letters.read_combinations(redis)

    assert (len(kinds.combinations), kinds.mixed) == (keys.DIMENSIONS_MAX, beyond)
    assert len(await dead_letters.read_older(redis, NEWEST, count=100, kinds=[MIXED])) == beyond
    assert await dead_letters.discard(redis, [one.letter for one in stored_letters]) == len(stored_letters)
    assert not await redis.exists(KEYS.dead_dimensions, KEYS.dead_by + MIXED)


async def test_a_failure_group_is_new_once_and_again_after_a_month(redis: Client) -> None:
    first = stored_letter(1, error_class="News")
    await add_stored(redis, [first])
    await add_stored(redis, [stored_letter(2, error_class="News")])
    assert [name for name, _ in await dead_letters.new_groups(redis, since_ms=0)] == [first.letter.fingerprint]
    [(_, reported_ms)] = await dead_letters.new_groups(redis, since_ms=0)

    await redis.zadd(KEYS.dead_groups, {first.letter.fingerprint: reported_ms - 31 * 86_400_000})
    await add_stored(redis, [stored_letter(3, error_class="Other")])  # a new group removes old ones
    await add_stored(redis, [stored_letter(4, error_class="News")])

    later = [name for name, _ in await dead_letters.new_groups(redis, since_ms=reported_ms)]
    assert first.letter.fingerprint in later


async def test_a_note_is_kept_once_and_the_oldest_of_many_are_removed(redis: Client) -> None:
    dying = stored_letter(1)
    await add_stored(redis, [dying])
    for number in range(60):
        for _ in range(2):
            assert (
                await dead_letters.annotate(
                    redis, [dying.letter.id, "0" * 17], Note(number, "ann", f"note {number}")
                )
                == 1
            )

    stored = await dead_letters.get(redis, dying.letter.id)

    assert stored is not None
    assert [note.at_ms for note in stored.notes] == list(range(10, 60))


async def test_a_note_that_is_added_again_after_another_is_kept_once(redis: Client) -> None:
    dying = stored_letter(1)
    await add_stored(redis, [dying])
    notes = (Note(1, "ann", "seen"), Note(2, "bob", "so have I"))

    for note in (*notes, notes[0]):
        await dead_letters.annotate(redis, [dying.letter.id], note)

    stored = await dead_letters.get(redis, dying.letter.id)
    assert stored is not None
    assert stored.notes == notes


async def test_an_unreadable_letter_is_reported_and_the_others_are_read(redis: Client) -> None:
    lost, sound = stored_letter(1), stored_letter(2)
    await add_stored(redis, [lost, sound])
    await make_unreadable(redis, lost.letter.id)

    rows = {row.id: row for row in await dead_letters.read_older(redis, NEWEST, count=10)}

    read = rows[sound.letter.id].letter
    assert read == structs.replace(sound.letter, died_at_ms=read.died_at_ms)
    shown = rows[lost.letter.id].letter
    assert shown is not None and shown.is_unreadable
    assert (shown.id, shown.died_at_ms, shown.reason) == (lost.letter.id, rows[lost.letter.id].at_ms, "unreadable")
    assert shown.error.startswith("this version of Hookline cannot read it: ")
    assert await dead_letters.discard(redis, [shown]) == 1
    assert [row.id for row in await dead_letters.read_older(redis, NEWEST, count=10)] == [sound.letter.id]


async def test_an_unreadable_letter_is_never_replayed(redis: Client) -> None:
    lost, sound = stored_letter(1), stored_letter(2)
    await add_stored(redis, [lost, sound])
    await make_unreadable(redis, lost.letter.id)
    await redis.sadd(KEYS.dead_to_retry, lost.letter.id, sound.letter.id)

    assert await retry_redelivered(redis) == 1
    assert await retry_redelivered(redis) == 0

    assert [row.id for row in await dead_letters.read_older(redis, NEWEST, count=10)] == [lost.letter.id]
    assert await redis.scard(KEYS.dead_to_retry) == 0


@pytest.mark.parametrize("name", ["index", "find:key", "groups", "", "*", "0" * 16])
async def test_an_invalid_id_reads_and_changes_no_other_key(redis: Client, name: str) -> None:
    await add_stored(redis, [stored_letter(1, terms=["x"])])

    assert await dead_letters.stored_letters(redis, [name]) == [None]
    assert await dead_letters.annotate(redis, [name], Note(1, "ann", "x")) == 0
    assert await dead_letters.count(redis) == 1


async def test_the_counters_show_how_letters_were_removed(redis: Client) -> None:
    stored_letters = [stored_letter(number) for number in range(3)]
    await add_stored(redis, stored_letters)
    for one, counter in zip(stored_letters, ("discarded", "purged", "forgotten"), strict=True):
        await dead_letters.discard(redis, [one.letter], counter=counter)

    totals = await stats.read_totals(redis)

    assert (totals.discarded, totals.purged, totals.forgotten) == (1, 1, 1)
    assert totals.bodies_add_up()


def _kind(row: dead_letters.DeadLetterRow) -> str:
    assert row.letter is not None
    return dimensions_of(row.letter).id


async def test_a_page_of_many_kinds_continues_where_the_last_one_ended(redis: Client) -> None:
    """Test with more letters of a kind than one piece holds, and many that died at the same moment."""
    rng = random.Random(7)
    imported = [
        ExportedDeadLetter(stored_letter(number, error_class=f"K{rng.randrange(25)}"), 1000 + rng.randrange(90))
        for number in range(600)
    ]
    await dead_letters.import_dead_letters(redis, imported)
    kinds = [
        kind.id
        for kind in (await dead_letters.read_combinations(redis)).combinations
        if kind.dimensions.error_class != "K3"
    ]
    expected = sorted(
        (
            (kept.at_ms, kept.stored_letter.letter.id)
            for kept in imported
            if kept.stored_letter.letter.error_class != "K3"
        ),
        reverse=True,
    )

    for count in (7, 64, 1000):
        seen: list[tuple[int, str]] = []
        place = NEWEST
        while rows := await dead_letters.read_older(redis, place, count=count, kinds=kinds):
            seen += [(row.at_ms, row.id) for row in rows]
            place = Position(rows[-1].at_ms, rows[-1].id)
        assert seen == expected

    deleted = seen[100]
    await dead_letters.discard(
        redis, [letter for letter in await dead_letters.letters(redis, [deleted[1]]) if letter]
    )
    [after] = await dead_letters.read_older(redis, Position(*deleted), count=1, kinds=kinds)
    assert (after.at_ms, after.id) == expected[101]


async def test_hundreds_of_kinds_are_all_counted(redis: Client) -> None:
    await dead_letters.import_dead_letters(
        redis, [ExportedDeadLetter(stored_letter(number, error_class=f"K{number}"), 1000) for number in range(450)]
    )

    kinds = await dead_letters.read_combinations(redis)
    hourly_counts = await dead_letters.hourly_counts(
        redis, [kind.id for kind in kinds.combinations], from_ms=0, step_ms=600, steps=2
    )

    assert {kind.dimensions.error_class for kind in kinds.combinations} == {f"K{number}" for number in range(450)}
    assert hourly_counts == [[0, 1]] * 450


async def test_a_clock_that_is_set_back_delays_no_letter(redis: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([9_000_000, 9_000_000, 5000, 5000, 5001])

    async def clock(_: Client) -> int:
        return next(ticks)

    monkeypatch.setattr("broker.dead_letters.index.ask_ms", clock)

    assert await dead_letters.closed_ms(redis) == 5000
