"""What pages and answers are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from broker.monitoring.spilled import Spilled
from broker.redis.client import Client
from inspector.operations.action_runner import ActionContext, Runner
from sources.settings import Settings as SourceSettings


class Configured(ActionContext, frozen=True, kw_only=True):
    """What the config says that pages show, and what actions are carried out with."""

    sources: Mapping[str, SourceSettings] = {}
    channels: tuple[str, ...] = ()
    spilled: Callable[[], Mapping[str, Spilled]] = dict
    """What receivers of this machine keep on disk, by place."""


class AppContext:
    """Given to all who answer. `configured` is replaced when the config is read again."""

    def __init__(self, redis: Client, configured: Configured) -> None:
        self.redis = redis
        self.configured = configured
        self.runner = Runner(redis, lambda: self.configured)
