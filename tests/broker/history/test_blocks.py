"""Blocks of any rows: what is sealed and what is searched is exactly what steps recorded."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.history.blocks import ABOUT_CHARS, SealedBlock, unpacked_outcomes
from broker.history.columns import events_of
from broker.history.query import Query
from broker.history.records import EventRow, OutcomeRow
from broker.history.segment_builder import SegmentBuilder
from broker.history.segments import Segment
from broker.history.tail import found_in
from broker.history.tail_blocks import EVENTS, OUTCOMES, packed_events, packed_outcomes, unpacked
from broker.history.token_index import Tokens, bucket_of, numbers_of, unpack_values
from broker.queue.batch import compress_quickly
from runtime.first_id import first_id

TOKENS = Tokens(b"a key of this Redis")

texts = st.text(max_size=6)
small = st.integers(0, 300)
times = st.integers(0, 2**41)
keys = st.sampled_from([f"{number:032x}" for number in range(1 << 124, (1 << 124) * 5, 1 << 124)])
event_rows = st.tuples(
    times,
    texts,
    texts,
    texts,
    st.lists(texts, max_size=4),
    st.lists(st.tuples(texts, texts, keys), max_size=3),
    texts,
    st.just(0),
)
kinds = st.sampled_from(["sent", "skipped", "dead", "retry", "later"])
outcome_rows = st.tuples(keys, kinds, times, small, small, texts, small, texts)
event_steps = st.lists(st.tuples(event_rows, st.sampled_from("nndr-")), min_size=1, max_size=5)
outcome_steps = st.lists(st.tuples(outcome_rows | st.none(), st.sampled_from("nn-")), min_size=1, max_size=5)


def fields(name: bytes, blob: bytes, fates: str) -> dict[bytes, bytes]:
    return {name: blob, b"f": fates.encode()} if fates.strip("n") else {name: blob}


def sealed(
    events: list[list[tuple[EventRow, str]]], outcomes: list[list[tuple[OutcomeRow | None, str]]]
) -> Segment:
    builder = SegmentBuilder(TOKENS, partition=3)
    for number, step in enumerate(events):
        blob = packed_events([row for row, _ in step])
        builder.add(f"{2**41}-{number}", unpacked(fields(EVENTS, blob, "".join(fate for _, fate in step))))
    for number, step in enumerate(outcomes):
        if any(row for row, _ in step):
            blob = packed_outcomes([row for row, _ in step])
            builder.add(f"{2**41 + 1}-{number}", unpacked(fields(OUTCOMES, blob, "".join(f for _, f in step))))
    *_, segment = builder.steps()
    assert segment is not None
    return segment


@given(st.lists(event_steps, min_size=1, max_size=4), st.lists(outcome_steps, max_size=4))
def test_a_segment_has_each_row_that_steps_recorded(
    events: list[list[tuple[EventRow, str]]], outcomes: list[list[tuple[OutcomeRow | None, str]]]
) -> None:
    segment = sealed(events, outcomes)
    ends = defaultdict(list)
    for row, fate in chain.from_iterable(outcomes):
        if row is not None and fate == "n":
            ends[row[0][:16]].append(row[1:])
    kept = [[each for each in step if each[1] != "-"] for step in events]
    expected = [
        (
            (2**41, number, place, 3),
            fate,
            (row[0], row[1], row[2], row[3], *row[6:]),
            first_id(row[4], beside=row[3])[:ABOUT_CHARS],
            [(rule, channel, key[:16], ends[key[:16]]) for rule, channel, key in row[5] if fate == "n"],
        )
        for number, step in enumerate(kept)
        for place, (row, fate) in enumerate(step)
    ]
    found = [
        (
            tuple(traced.position),
            traced.fate,
            msgspec.structs.astuple(traced.event),
            traced.about,
            [
                (each.rule, each.channel, each.key, [msgspec.structs.astuple(o)[1:] for o in each.outcomes])
                for each in traced.notifications
            ],
        )
        for field, blob in segment.fields.items()
        if field.startswith("b")
        for traced in SealedBlock(blob)
    ]
    assert found == expected
    assert segment.info.rows == len(expected)
    shown = {key[:16] for step in kept for row, fate in step if fate == "n" for _, _, key in row[5]}
    late = unpacked_outcomes(segment.fields["l"]) if "l" in segment.fields else []
    assert sorted(o.key for o in late) == sorted(key for key in ends.keys() - shown for _ in ends[key])


@given(st.lists(event_steps, min_size=1, max_size=4))
def test_each_term_finds_its_events_before_and_after_they_are_sealed(
    events: list[list[tuple[EventRow, str]]],
) -> None:
    rows = [row for step in events for row, fate in step if fate != "-"]
    segment = sealed(events, [])
    for term in {term for row in rows for term in row[4]}:
        expected = [number for number, row in enumerate(rows) if term.lower() in map(str.lower, row[4])]
        token = TOKENS.of_term(term)
        values = unpack_values(segment.fields[f"t{bucket_of(token, segment.info.buckets)}"])
        assert sorted({*numbers_of(token, values)}) == expected
        if rows:
            assert sorted(found_in(events_of(rows), Query(terms=frozenset([term.lower()])))) == expected


@given(event_steps, outcome_steps)
def test_blocks_of_earlier_versions_are_read(
    events: list[tuple[EventRow, str]], outcomes: list[tuple[OutcomeRow | None, str]]
) -> None:
    fates = "".join(fate for _, fate in events)
    rows = [row for row, _ in events]
    before = fields(b"e", compress_quickly(msgspec.msgpack.encode(rows)), fates)
    assert unpacked(before) == unpacked(fields(EVENTS, packed_events(rows), fates))
    results, fates = [row for row, _ in outcomes], "".join(fate for _, fate in outcomes)
    if any(results):
        before = fields(b"o", compress_quickly(msgspec.msgpack.encode(results)), fates)
        assert unpacked(before) == unpacked(fields(OUTCOMES, packed_outcomes(results), fates))
