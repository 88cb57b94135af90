"""`hookline up`: receiver, worker and inspector, on an embedded Redis unless one is configured."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import structs

from broker.redis.connection import Settings as RedisSettings
from broker.redis.redis_url import parse
from launcher.composition.components import (
    checked_for_receiver,
    checked_for_worker,
    inspectors,
    log_accepted_risks,
    open_inspector,
    open_inspector_metrics,
    open_listener,
    open_worker_port,
    receivers,
    workers,
)
from launcher.composition.namespace_claim import claim_now
from launcher.config.config import Config
from launcher.config.reloadable_config import ReloadableConfig
from launcher.config.secrets import SecretError, keep_secret, secret_path, stored_secret
from launcher.embedded.data_dir import DataDir, make_data_dir
from launcher.embedded.embedded_redis import EmbeddedRedis
from launcher.errors import ConfigError, Fault
from launcher.supervisor.processes import supervise
from sources.source_kinds import provider_of

PrintLine = Callable[[str], None]


def up(config: Config, *, read: Callable[[], Config], print_line: PrintLine) -> int:
    """Run everything until SIGTERM or SIGINT, then stop one process after another, Redis last.

    Returns the exit code. A later `up` on the same data directory continues where this one stopped. `read`:
    returns the current config, at SIGHUP. Raises LauncherError.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until `supervise` listens
    with (
        _redis(config, print_line) as (redis, restart, redis_name),
        open_listener(config) as listener,
        open_inspector(config) as pages,
        open_worker_port(config) as worker_port,
        open_inspector_metrics(config) as metrics,
    ):
        config = with_secrets(config, print_line)
        reloadable = ReloadableConfig(_checked(config), lambda: _checked(with_secrets(read(), print_line)))
        # No other installation uses an embedded Redis, so its sources may always change.
        claim_now(redis, reloadable.current, accept=not config.redis.url)
        log_accepted_risks(redis)
        groups = [
            receivers(reloadable, redis, listener, processes=config.receiver.processes),
            workers(reloadable, redis, worker_port, processes=config.worker.processes),
            inspectors(reloadable, redis, pages, metrics),
        ]
        hosts = (config.worker.host, worker_port), (config.inspector.metrics_host, metrics)
        further = [_address(host, port) for host, port in hosts if port is not None]
        for line in _summary(config, redis_name, listener, pages, further):
            print_line(line)
        code = supervise(groups, each_round=restart)
    print_line("Stopped.")
    return code


def _checked(config: Config) -> Config:
    return checked_for_worker(checked_for_receiver(config))


def with_secrets(config: Config, print_line: PrintLine) -> Config:
    """The config with a secret for every source: sources without one get their stored secret, or a new one.

    Raises ConfigError, DataDirError.
    """
    sources = dict(config.sources)
    for name, source in sources.items():
        if source.secrets or not provider_of(source).authenticates:
            continue
        make_data_dir(config.data_dir)
        path = secret_path(config.data_dir, name)
        try:
            secret = stored_secret(config.data_dir, name)
        except SecretError as error:
            raise ConfigError((Fault(f"sources.{name}.secrets", f"{error}; delete it for a new one"),)) from None
        if secret is None:
            secret = keep_secret(config.data_dir, name, provider_of(source).new_secret())
            print_line(f"Generated a signing secret for {name}: {path}")
        sources[name] = structs.replace(source, secrets=(secret,))
    return structs.replace(config, sources=sources)


@contextmanager
def _redis(config: Config, print_line: PrintLine) -> Iterator[tuple[RedisSettings, Callable[[], None], str]]:
    """The configured Redis, or an embedded one, with the function that restarts it and its name for people."""
    if config.redis.url:
        yield config.redis, lambda: None, str(parse(config.redis.url))
        return
    with DataDir(config.data_dir, print_line=print_line) as data_dir:
        redis = EmbeddedRedis(data_dir)
        try:
            redis.start(print_line=print_line)
            yield structs.replace(config.redis, url=redis.url), redis.restart, f"embedded {redis.product}"
        finally:
            # Redis only has to write to disk now; a further Ctrl-C must not interrupt that.
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, signal.SIG_IGN)
            redis.stop()


def _summary(
    config: Config, redis_name: str, listener: socket.socket, pages: socket.socket, further: Sequence[str]
) -> Iterator[str]:
    """Yield the lines for people. further: addresses with metrics besides that of the receiver."""
    address = _address(config.receiver.host, listener)
    yield "Hookline is up; Ctrl-C stops it."
    for name in config.sources:
        yield f"  webhooks  {address}/webhooks/{name}"
    yield f"  pages     {_address(config.inspector.host, pages)}/"
    yield f"  health    {address}/healthz  {address}/readyz"
    for each in (address, *further):
        yield f"  metrics   {each}/metrics"
    yield f"  redis     {redis_name}"
    yield f"  data      {config.data_dir}"
    yield "  try it    hookline send"


def _address(host: str, listener: socket.socket) -> str:
    return f"http://{_reachable(host)}:{listener.getsockname()[1]}"


def _reachable(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
