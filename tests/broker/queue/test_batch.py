"""Tests of the encoding of batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.queue import batch
from broker.queue.batch import RawBody, UnreadableBatchError
from sources.voucherify import VOUCHERIFY

raw_bodies = st.builds(
    RawBody,
    st.integers(0, 2**48),
    st.text(max_size=20),
    st.text(max_size=50),
    st.binary(max_size=3000),
    st.text(max_size=200),
)


@given(st.lists(raw_bodies, max_size=20))
def test_a_batch_unpacks_to_the_same_bytes(bodies: list[RawBody]) -> None:
    assert batch.decode(batch.encode(bodies)) == bodies


@given(st.binary(max_size=500))
def test_bytes_that_are_not_a_batch_are_unreadable(blob: bytes) -> None:
    try:
        batch.decode(blob)
    except UnreadableBatchError:
        return


@given(st.lists(raw_bodies, min_size=1, max_size=5), st.data())
def test_a_damaged_batch_is_unreadable_or_decodes(bodies: list[RawBody], data: st.DataObject) -> None:
    blob = bytearray(batch.encode(bodies))
    place = data.draw(st.integers(0, len(blob) - 1))
    blob[place] ^= data.draw(st.integers(1, 255))
    try:
        batch.decode(bytes(blob))
    except UnreadableBatchError:
        return


def test_a_batch_that_unpacks_to_too_many_bytes_is_unreadable() -> None:
    with pytest.raises(UnreadableBatchError, match="more than"):
        batch.decode(batch.compress(b"\0" * (65 * 1024 * 1024)))


def test_similar_bodies_take_a_few_per_cent_together() -> None:
    bodies = [
        RawBody(1700000000000 + n, "voucherify", "", VOUCHERIFY.sample(n, "voucher.loyalty_card.points_added"))
        for n in range(64)
    ]
    assert len(batch.encode(bodies)) < 0.1 * sum(len(body.body) for body in bodies)
