"""The dry run of dead letters with a config."""

from __future__ import annotations

from collections.abc import Callable

from broker.dead_letters import StoredDeadLetter
from launcher.config.config import Config
from runtime.dry_run import DryRunResult
from worker.components import worker_source
from worker.preview.dry_run import DryRunner


def dry_run(config: Config) -> Callable[[StoredDeadLetter], DryRunResult]:
    """Returns a function that processes a dead letter as workers with this config would, and sends nothing."""
    sources = {name: worker_source(source) for name, source in config.sources.items()}
    return DryRunner(sources, config.rules, config.channels).of
