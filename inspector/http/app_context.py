"""The objects that the handlers of pages and API share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from broker.monitoring.spilled import Spilled
from broker.redis.partitions import Partitions
from inspector.http.search_tokens import SearchTokens
from inspector.operations.action_runner import ActionContext, Runner
from sources.settings import Settings as SourceSettings


class Configured(ActionContext, frozen=True, kw_only=True):
    """The parts of the config that pages show and actions use."""

    sources: Mapping[str, SourceSettings] = {}
    channels: tuple[str, ...] = ()
    spilled: Callable[[], Mapping[str, Spilled]] = dict
    """Returns the webhooks that receivers on this machine keep on disk, by directory."""

    writes_history: bool = True
    """True if a history of events is written."""


class AppContext:
    """Passed to every handler. `configured` is replaced when the config is reloaded."""

    def __init__(self, partitions: Partitions, configured: Configured) -> None:
        self.partitions = partitions
        self.configured = configured
        self.searches = SearchTokens()
        self.runner = Runner(partitions, lambda: self.configured)
