"""The rehearsal of dead letters that a config makes."""

from __future__ import annotations

from collections.abc import Callable

from broker.dead import Grave
from broker.verdict import Verdict
from launcher.config import Config
from worker.parts import worker_source
from worker.rehearsal import Rehearsal


def rehearsal(config: Config) -> Callable[[Grave], Verdict]:
    """Tells what workers with this config would make of a dead letter if it were replayed. See Rehearsal."""
    sources = {name: worker_source(source) for name, source in config.sources.items()}
    return Rehearsal(sources, config.rules, config.channels).of
