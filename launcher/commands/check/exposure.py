"""Notes of `hookline check` about who can reach the ports of the parts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from inspector.login_settings import EVERYONE
from inspector.settings import Settings as InspectorSettings
from inspector.settings import is_local
from launcher.config.config import Config
from receiver.settings import Settings as ReceiverSettings

SHORT_PASSWORD_CHARS = 12


def exposure_notes(config: Config) -> tuple[str, ...]:
    """Notes about addresses and passwords; none of them prevents a start."""
    return (*receiver_notes(config.receiver), *_metrics_ports(config), *_inspector(config.inspector))


def receiver_notes(receiver: ReceiverSettings) -> Iterator[str]:
    """Notes about the address of the receiver, which is right behind a proxy and in a container."""
    if not is_local(receiver.host):
        yield (
            f"receiver.host {receiver.host} offers /healthz, /readyz and /metrics to every client: "
            "let a proxy forward /webhooks/ only (docs/operations.md, What to expose to the internet)"
        )


def _metrics_ports(config: Config) -> Iterator[str]:
    worker, inspector = config.worker, config.inspector
    for setting, host, port in (
        ("worker.host", worker.host, worker.port),
        ("inspector.metrics_host", inspector.metrics_host, inspector.metrics_port),
    ):
        if port is not None and not is_local(host):
            yield (
                f"{setting} {host} offers /healthz, /readyz and /metrics to every client: let only probes and "
                "Prometheus reach this port (docs/operations.md, What to expose to the internet)"
            )


def _inspector(inspector: InspectorSettings) -> Iterator[str]:
    if inspector.hosts and not inspector.trusted_proxies:
        yield (
            "inspector.hosts names a proxy, and inspector.trusted_proxies is empty: all users seem to come from "
            "its address, and wrong passwords of one user slow down all; set it to the address of the proxy"
        )
    if inspector.proxy_login and any(map(_is_of_this_machine, inspector.trusted_proxies)):
        yield (
            "inspector.proxy_login believes connections from this machine (inspector.trusted_proxies): every "
            "account and program here can claim to be any user"
        )
    if inspector.oidc and EVERYONE in (*inspector.oidc.read_groups, *inspector.oidc.operate_groups):
        yield (
            f"inspector.oidc lets everyone in who has an account at {inspector.oidc.issuer}, which is right only "
            "if the provider knows your people alone"
        )
    for name, user in inspector.users.items():
        if len(user.password.reveal()) < SHORT_PASSWORD_CHARS:
            yield (
                f"inspector.users.{name}.password is shorter than {SHORT_PASSWORD_CHARS} characters, "
                "and can be guessed: use a longer, random one"
            )


def _is_of_this_machine(network: str) -> bool:
    return ip_network(network.strip()).is_loopback
