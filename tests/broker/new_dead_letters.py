"""Dead letters as Redis stores them, with the time of death that Redis sets."""

import time

from msgspec import structs

from broker.dead_letters import StoredDeadLetter


def as_it_died(dying: StoredDeadLetter, kept: StoredDeadLetter | None) -> StoredDeadLetter:
    """Return `dying` with the time of death of `kept`, which must be within the last minute."""
    assert kept is not None
    assert 0 <= time.time() * 1000 - kept.letter.died_at_ms < 60_000
    return structs.replace(dying, letter=structs.replace(dying.letter, died_at_ms=kept.letter.died_at_ms))
