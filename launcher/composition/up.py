"""`hookline up`: every part, on a Redis of its own unless one is configured."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import structs

from broker.redis.connection import Settings as RedisSettings
from broker.redis.redis_url import parse
from launcher.composition.components import (
    inspectors,
    open_inspector,
    open_listener,
    receivable,
    receivers,
    workable,
    workers,
)
from launcher.composition.namespace_claim import claim_now
from launcher.config.config import Config
from launcher.config.live_config import LiveConfig
from launcher.config.secrets import SecretError, make_secret, secret_path, stored_secret
from launcher.embedded.data_dir import DataDir, make_data_dir
from launcher.embedded.embedded_redis import EmbeddedRedis
from launcher.errors import ConfigError, Fault
from launcher.supervisor.processes import supervise

Tell = Callable[[str], None]


def up(config: Config, *, read: Callable[[], Config], tell: Tell) -> int:
    """Run all parts until SIGTERM or SIGINT, then stop them one after another, Redis last. Returns the exit code.

    What the parts took in stands in Redis, so a later `up` on the same data goes on where this one stopped.
    `read`: the config as it is now, asked for at SIGHUP. Raises LauncherError.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until `supervise` listens
    with (
        _redis(config, tell) as (redis, restart),
        open_listener(config) as listener,
        open_inspector(config) as pages,
    ):
        config = with_secrets(config, tell)
        live = LiveConfig(workable(receivable(config)), lambda: workable(receivable(with_secrets(read(), tell))))
        # Nobody else uses an embedded Redis, so its sources may change at will.
        claim_now(redis, live.current, accept=not config.redis.url)
        groups = [
            receivers(live, redis, listener, processes=config.receiver.processes),
            workers(live, redis, processes=config.worker.processes),
            inspectors(live, redis, pages),
        ]
        for line in _summary(config, redis, listener.getsockname()[1], pages.getsockname()[1]):
            tell(line)
        code = supervise(groups, each_round=restart)
    tell("Stopped.")
    return code


def with_secrets(config: Config, tell: Tell) -> Config:
    """The config with a secret for every source: kept ones, or new ones, for those that have none.

    Raises ConfigError, DataDirError.
    """
    sources = dict(config.sources)
    for name, source in sources.items():
        if source.secrets:
            continue
        make_data_dir(config.data_dir)
        path = secret_path(config.data_dir, name)
        try:
            secret = stored_secret(config.data_dir, name)
        except SecretError as error:
            raise ConfigError((Fault(f"sources.{name}.secrets", f"{error}; delete it for a new one"),)) from None
        if secret is None:
            secret = make_secret(config.data_dir, name)
            tell(f"Made up a signing secret for {name}, kept in {path}")
        sources[name] = structs.replace(source, secrets=(secret,))
    return structs.replace(config, sources=sources)


@contextmanager
def _redis(config: Config, tell: Tell) -> Iterator[tuple[RedisSettings, Callable[[], None]]]:
    """The configured Redis, or an embedded one, and what keeps it running."""
    if config.redis.url:
        yield config.redis, lambda: None
        return
    with DataDir(config.data_dir, tell=tell) as data_dir:
        redis = EmbeddedRedis(data_dir)
        try:
            redis.start(tell=tell)
            yield structs.replace(config.redis, url=redis.url), redis.restart
        finally:
            # All that is left is that Redis writes to disk; a further Ctrl-C must not cut that off.
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, signal.SIG_IGN)
            redis.stop()


def _summary(config: Config, redis: RedisSettings, port: int, pages_port: int) -> Iterator[str]:
    address = f"http://{_reachable(config.receiver.host)}:{port}"
    yield "Hookline is up; Ctrl-C stops it."
    for name in config.sources:
        yield f"  webhooks  {address}/webhooks/{name}"
    yield f"  pages     http://{_reachable(config.inspector.host)}:{pages_port}/"
    yield f"  health    {address}/healthz  {address}/readyz"
    yield f"  metrics   {address}/metrics"
    yield f"  redis     {'embedded' if not config.redis.url else parse(redis.url)}"
    yield f"  data      {config.data_dir}"
    yield "  try it    hookline send"


def _reachable(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
