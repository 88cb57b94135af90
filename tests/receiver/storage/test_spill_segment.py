"""Tests of segment files: their content, and what is left of it after crashes and disk errors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from receiver.storage.spill.segment import HEAD_BYTES, Frame, Head, frame, read_head, scan

BLOBS = st.lists(st.binary(max_size=40), max_size=5)


def segment(*blobs: bytes) -> bytes:
    return Head().pack() + b"".join(frame(blob, 1) for blob in blobs)


def blobs(data: bytes) -> list[bytes]:
    return [one.blob for one in scan(data).frames]


@given(BLOBS)
def test_every_batch_is_read_as_it_was_written(written: list[bytes]) -> None:
    segment_scan = scan(segment(*written))

    assert [frame.blob for frame in segment_scan.frames] == written
    assert (segment_scan.damaged_at, segment_scan.torn_bytes) == (None, 0)


@given(BLOBS.filter(len), st.data())
def test_a_write_cut_off_anywhere_is_left_out_and_is_not_damage(written: list[bytes], data: st.DataObject) -> None:
    whole = segment(*written)
    last = len(frame(written[-1], 1))
    cut = data.draw(st.integers(1, last))

    segment_scan = scan(whole[:-cut])

    assert [frame.blob for frame in segment_scan.frames] == written[:-1]
    assert (segment_scan.damaged_at, segment_scan.torn_bytes) == (None, last - cut)


@given(st.lists(st.binary(max_size=40).map(b"zstd".__add__), min_size=1, max_size=5), st.data())
def test_a_flipped_bit_costs_one_batch_and_is_reported(written: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(segment(*written))
    place = data.draw(st.integers(HEAD_BYTES, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    hit = next(index for index, one in enumerate(scan(segment(*written)).frames) if one.start <= place < one.end)

    segment_scan = scan(bytes(whole))

    assert [frame.blob for frame in segment_scan.frames] == written[:hit] + written[hit + 1 :]
    assert segment_scan.damaged_at is not None


def test_a_tail_that_the_file_system_never_filled_is_torn() -> None:
    segment_scan = scan(segment(b"kept") + bytes(100))

    assert ([frame.blob for frame in segment_scan.frames], segment_scan.damaged_at, segment_scan.torn_bytes) == (
        [b"kept"],
        None,
        100,
    )


def test_a_complete_last_batch_with_a_wrong_checksum_is_damage_since_it_may_have_been_confirmed() -> None:
    segment_scan = scan(segment(b"kept", b"spoilt")[:-1] + b"?")

    assert ([frame.blob for frame in segment_scan.frames], segment_scan.torn_bytes) == ([b"kept"], 0)
    assert segment_scan.damaged_at == len(segment(b"kept"))


def test_a_lost_head_is_damage_and_costs_no_batch() -> None:
    data = bytes(HEAD_BYTES) + segment(b"kept")[HEAD_BYTES:]

    assert blobs(b"?" * HEAD_BYTES + data[HEAD_BYTES:]) == [b"kept"]
    assert scan(b"?" * HEAD_BYTES + data[HEAD_BYTES:]).damaged_at == 0
    assert (blobs(data), scan(data).damaged_at) == ([b"kept"], 0)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    scan(data)
    scan(Head().pack() + data)


def test_a_file_that_was_just_created_is_empty_and_undamaged() -> None:
    assert scan(b"").damaged_at is None
    assert scan(Head().pack()[:7]).damaged_at is None
    assert scan(Head().pack()).frames == []


def test_the_head_records_how_far_the_file_was_drained() -> None:
    head = Head(drained=77, bodies=5, bodies_drained=2, oldest_ms=1_700_000_000_000)

    assert read_head(head.pack() + b"more") == head
    assert read_head(b"short") is None


def test_a_frame_within_a_body_is_not_read_as_a_frame() -> None:
    sly = frame(b"within", 9)

    assert [(one.bodies, one.blob) for one in scan(segment(b"a" + sly, sly)).frames] == [(1, b"a" + sly), (1, sly)]
    assert isinstance(scan(segment(sly)).frames[0], Frame)
