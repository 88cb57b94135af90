"""Compares decoding a webhook to a typed event with msgspec alone, which reads the same fields.

The msgspec side reads the same body into the same structs in one pass: the fields that Hookline checks, the
event's id, name, time and entity, and the sender's id and kind. Hookline also finds the event name before it
decodes, checks for invalid UTF-8, and builds the identity. The sides take turns, and the fastest turn of each side
counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.harness.figures import Figure, print_table
from sources import KINDS
from sources.voucherify.decoding.typed_payload import checked_model

_NAME = "customer.voucher.loyalty_card.points_added"
_BODIES = 300
_TURNS = 150

Side = tuple[Callable[..., Any], list[tuple[Any, ...]]]
"""A function, and the arguments of its calls in one turn."""


class _Sender(Struct):
    id: str
    object: str


class _Meta(Struct):
    id: str
    type: str
    created_at: datetime
    entity_id: str | None = None


def figures() -> list[Figure]:
    """Run the benchmark and return its figures."""
    kind = KINDS["voucherify"]
    bodies = [kind.sample(number, _NAME) for number in range(_BODIES)]
    fields = [("data", checked_model(_NAME)), ("source", _Sender), ("event", _Meta)]
    bare: Callable[..., Any] = msgspec.json.Decoder(msgspec.defstruct("_Webhook", fields)).decode
    took = _best_turns(
        {
            "msgspec": (bare, [(body,) for body in bodies]),
            "hookline": (kind.decode, [(body, "") for body in bodies]),
            "raw": (kind.decode, [(_payload(body), _NAME) for body in bodies]),
            "indented": (kind.decode, [(msgspec.json.format(body), "") for body in bodies]),
        }
    )
    size = f"{sum(map(len, bodies)) / len(bodies):,.0f} bytes"
    return [
        _figure(f"decode points_added to typed, {size}", took["hookline"], took["msgspec"], 1.4),
        _figure("decode points_added, raw payload with ?event=", took["raw"], took["msgspec"], 2.0),
        _figure("decode points_added, re-indented on its way", took["indented"], took["msgspec"], 3.0),
    ]


def _figure(what: str, ours_us: float, bare_us: float, goal: float) -> Figure:
    measured = f"{ours_us:.2f} us against {bare_us:.2f} us for msgspec to the same fields"
    return Figure(what=what, measured=measured, value=ours_us / bare_us, goal=goal, at_most=True)


def _payload(body: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body)["data"])


def _best_turns(sides: dict[str, Side]) -> dict[str, float]:
    """Return the microseconds that one call of each side takes in its fastest turn."""
    best = dict.fromkeys(sides, float("inf"))
    gc.collect()
    for _ in range(_TURNS):
        for name, (decode, calls) in sides.items():
            started_s = time.perf_counter()
            for arguments in calls:
                decode(*arguments)
            best[name] = min(best[name], (time.perf_counter() - started_s) / len(calls) * 1e6)
    return best


if __name__ == "__main__":
    print_table(figures())
