"""Packs keep every event, at the place by which its window finds it."""

from hypothesis import given
from hypothesis import strategies as st

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.redis.keys import DIGEST_ID_BYTES, PACK_ID_BYTES
from broker.redis.scripting.scripts import Blobs
from broker.steps import digest_packs
from broker.steps.digest_packs import Packs, packed, unpacked
from broker.steps.digest_windows import Window
from broker.steps.digests import Gathered, Part

BODIES = st.builds(
    RawBody,
    received_at_ms=st.integers(0, 2**53),
    source=st.text(max_size=5),
    event_hint=st.text(max_size=5),
    body=st.binary(max_size=50) | st.integers(0, 3 * batch.MAX_BYTES // 2).map(bytes),
    headers=st.text(max_size=10),
)
EVENTS = st.builds(
    Gathered,
    key=st.text(max_size=32),
    rule=st.text(max_size=5),
    channels=st.lists(st.text(max_size=5), min_size=1, max_size=3).map(tuple),
    window_ms=st.sampled_from([1000, 60_000]),
    event=st.text(max_size=5),
    occurred_at_ms=st.none() | st.integers(-(2**53), 2**53),
    body=BODIES,
)
DIGESTS = st.binary(min_size=DIGEST_ID_BYTES, max_size=DIGEST_ID_BYTES).map(bytes.hex)


@given(st.lists(st.none() | EVENTS, max_size=8))
def test_a_pack_has_the_same_events_when_it_is_read(events: list[Gathered | None]) -> None:
    assert unpacked(packed(events)) == events


@given(st.lists(st.tuples(DIGESTS, EVENTS), max_size=8).flatmap(lambda some: st.just(some * 20)))
def test_each_event_is_at_its_place_and_no_pack_is_too_large(events: list[tuple[str, Gathered]]) -> None:
    packs, blobs = Packs(), Blobs()
    parts = [packs.add(Part(n, digest, event)) for n, (digest, event) in enumerate(events)]
    planned = packs.planned(blobs)
    for (digest, event), part in zip(events, parts, strict=True):
        pack = planned[part.pack - 1]
        digests = blobs.all[pack.digests - 1]
        assert unpacked(blobs.all[pack.blob - 1])[part.place - 1] == event
        assert digests[(part.place - 1) * DIGEST_ID_BYTES : part.place * DIGEST_ID_BYTES].hex() == digest
        assert (part.channels, pack.window_ms) == (len(event.channels), event.window_ms)
    assert sum(pack.events for pack in planned) == len(events)
    assert len({pack.id for pack in planned}) == len(planned)
    for pack in planned:
        sizes = [len(event.body.body) for event in unpacked(blobs.all[pack.blob - 1]) if event]
        assert len(sizes) == pack.events <= digest_packs.MAX_EVENTS
        assert len(sizes) == 1 or sum(sizes) <= batch.MAX_BYTES


PLACES = st.lists(
    st.tuples(st.binary(min_size=PACK_ID_BYTES, max_size=PACK_ID_BYTES), st.integers(0, 255)), max_size=9
)


@given(st.integers(0, 65_535), PLACES, st.integers(0, 10))
def test_a_window_names_its_events_and_shrinks_from_the_first(
    channels: int, places: list[tuple[bytes, int]], taken: int
) -> None:
    text = channels.to_bytes(2) + b"".join(pack + bytes([place]) for pack, place in places)
    window = Window(b"", b"", text)
    assert (window.channels, window.events) == (channels, places)
    rest = Window(b"", b"", window.without(taken))
    assert rest.events == places[taken:]
    assert rest.text == b"" or rest.channels == channels


@given(st.binary(max_size=60))
def test_a_window_that_another_program_wrote_ends(text: bytes) -> None:
    window = Window(b"", b"", text)
    assert window.without(len(window.events)) == b""
