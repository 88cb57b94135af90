"""Opens the tracer of a process, if traces are switched on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from launcher.config.config import Config

if TYPE_CHECKING:
    from runtime.tracing.tracer import Tracer


@contextmanager
def tracer_for(part: str, config: Config) -> Iterator[Tracer | None]:
    """Open a tracer for the process of a part, and export its last spans at the end; None without traces."""
    if not config.telemetry.traces:
        yield None
        return
    # OpenTelemetry starts a thread, so this comes after the fork; and it takes 0.3 s to import.
    from runtime.tracing.tracer import open_tracer  # noqa: PLC0415

    tracer = open_tracer(part, config.telemetry.sample_ratio)
    try:
        yield tracer
    finally:
        tracer.close()
