"""Settings of the `[inspector]` and `[dead]` sections."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from msgspec import Meta, Struct

from inspector.login_settings import OidcLogin, ProxyLogin
from sources.secret import Secret

Seconds = Annotated[float, Meta(gt=0)]
Role = Literal["read", "operate"]


class User(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A user who may log in to the inspector."""

    password: Secret
    """Password for the login page."""

    token: Secret | None = None
    """Token that programs send to /api/ as `Authorization: Bearer TOKEN`. Without a token this user can use the
    API only with a login."""

    role: Role = "read"
    """Rights of the user: read may look; operate may also replay, discard, note, and pause channels."""

    reveal: bool = False
    """True if the user may see and download personal data, which is masked otherwise."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The web pages and the API of the inspector. Without users and another way to sign in they need no login, and
    are served to this machine only."""

    host: str = "127.0.0.1"
    """Address to listen on: 0.0.0.0 for all IPv4 interfaces, :: for all interfaces. An address that other machines
    can reach requires a user or another way to sign in."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    """Port to listen on; 0 for any free port."""

    metrics_port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """Port for /healthz, /readyz and /metrics, which need no login; 0 for any free port. Not set, which is the
    default: they are not served."""

    metrics_host: str = "127.0.0.1"
    """Address to listen on for metrics_port: 0.0.0.0 for all IPv4 interfaces, :: for all interfaces."""

    hosts: tuple[str, ...] = ()
    """Host names that the inspector accepts besides localhost, 127.0.0.1 and `host`, such as the name of a proxy
    in front of it. A request with another Host header is answered 421, which prevents DNS rebinding."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks of the proxies in front of the inspector. X-Forwarded-For, X-Forwarded-Proto and Forwarded count
    only from these, and so does the header of proxy_login. They determine the address that is throttled after
    wrong passwords, and whether cookies are Secure."""

    users: dict[str, User] = {}
    """Users who may log in, by name."""

    proxy_login: ProxyLogin | None = None
    """Users whom a proxy signs in. Not set, which is the default: no header names a user."""

    oidc: OidcLogin | None = None
    """Users whom a provider of OpenID Connect signs in. Not set, which is the default: only in other ways."""

    masked_paths: tuple[str, ...] = ()
    """Paths of values to mask, with everything in them, in addition to common personal data:
    `**.customer.metadata`, `data.order.*.note`. A path consists of keys from the root of the body; `*` matches any
    key, `**` any number of keys, and a list counts as each of its items. They override shown_paths."""

    shown_paths: tuple[str, ...] = ()
    """Paths of values to show although a rule masks them: `data.store.name`. The rules still apply to values below
    them, unless the path ends in `.**`."""

    session_idle_s: Seconds = 1800.0
    """Seconds without a click after which a login ends."""

    session_max_s: Seconds = 43_200.0
    """Seconds after which a login ends, even if it is used."""

    @property
    def needs_login(self) -> bool:
        """True if there is a way to sign in, so that no page is shown without it."""
        return bool(self.users or self.proxy_login or self.oidc)


class DeadSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long dead letters are kept. Removed letters are counted, logged and, with export_dir, first written to a
    file. The inspector removes them every few minutes; `hookline dead purge` removes them immediately."""

    keep_days: Annotated[float, Meta(ge=0)] = 0.0
    """Days after which dead letters are removed; 0 keeps them forever."""

    keep_count: Annotated[int, Meta(ge=0)] = 0
    """Most dead letters to keep. Beyond it the oldest are removed; 0 keeps all."""

    export_dir: str = ""
    """Directory for files with the removed letters, which `hookline dead import` reads. They contain personal
    data, and Hookline never deletes them. If they cannot be written, no letter is removed. Empty: removed letters
    are lost."""


def is_local(host: str) -> bool:
    """Return whether only this machine can reach this listening address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
