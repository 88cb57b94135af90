"""Dead letters as they are once they lie in Redis, which says when they died."""

import time

from msgspec import structs

from broker.dead_letters import Grave


def as_it_died(dying: Grave, kept: Grave | None) -> Grave:
    """`dying` with the time of death of `kept`, which must be of the last minute."""
    assert kept is not None
    assert 0 <= time.time() * 1000 - kept.letter.died_at_ms < 60_000
    return structs.replace(dying, letter=structs.replace(dying.letter, died_at_ms=kept.letter.died_at_ms))
