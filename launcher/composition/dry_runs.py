"""The rehearsal of dead letters that a config makes."""

from __future__ import annotations

from collections.abc import Callable

from broker.dead_letters import StoredDeadLetter
from launcher.config.config import Config
from runtime.dry_run import Verdict
from worker.components import worker_source
from worker.preview.dry_run import Rehearsal


def rehearsal(config: Config) -> Callable[[StoredDeadLetter], Verdict]:
    """Tells what workers with this config would make of a dead letter if it were replayed. See Rehearsal."""
    sources = {name: worker_source(source) for name, source in config.sources.items()}
    return Rehearsal(sources, config.rules, config.channels).of
