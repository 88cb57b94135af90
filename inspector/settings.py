"""The `[inspector]` section."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sources.secret import Secret

Seconds = Annotated[float, Meta(gt=0)]
Role = Literal["read", "operate"]


class User(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who may log in."""

    password: Secret
    """What is typed in at the login page."""

    token: Secret | None = None
    """What programs send as `Authorization: Bearer TOKEN` to /api/. Without one only a login leads there."""

    role: Role = "read"
    """read looks; operate replays and discards too."""

    reveal: bool = False
    """Whether personal data in payloads is shown to this user, and not masked."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The web pages of the inspector. Without users whoever reaches them may do everything, so then they are
    served to this machine alone."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface, :: for every interface by IPv4 and IPv6. One that other
    machines reach needs a user."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    """Port to listen on; 0 takes a free one."""

    hosts: tuple[str, ...] = ()
    """Names that it answers to beside localhost, 127.0.0.1 and `host`: those that a proxy before it has. Any other
    Host is answered 421, which keeps other people's pages from reaching it under a name of theirs."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks of the proxies before it. What X-Forwarded-For, X-Forwarded-Proto or Forwarded says is believed
    only from these: the address decides who has to wait after wrong passwords, and by https cookies are Secure."""

    users: dict[str, User] = {}
    """By name."""

    masked_paths: tuple[str, ...] = ()
    """Places of payloads whose values are hidden, with all that is in them, beyond what commonly is personal:
    `**.customer.metadata`, `data.order.*.note`. Keys from the body's root on; `*` is any key, `**` any number of
    them; lists are walked through. These win over shown_paths."""

    shown_paths: tuple[str, ...] = ()
    """Places whose values are shown though a rule would hide them: `data.store.name`. Just these places: what is
    in them is judged by its own keys, unless the path ends in `.**`."""

    session_idle_s: Seconds = 1800.0
    """A login ends after so many seconds without a click."""

    session_max_s: Seconds = 43_200.0
    """A login ends after so many seconds in any case."""


class DeadSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long dead letters are kept. What is removed is counted, told of and, where there is an export_dir,
    written there first. The inspector sees to it every few minutes; `hookline dead purge` does so at once."""

    keep_days: Annotated[float, Meta(ge=0)] = 0.0
    """Dead letters that died so many days ago are removed; 0 keeps them for ever."""

    keep_count: Annotated[int, Meta(ge=0)] = 0
    """So many dead letters are kept, the newest; 0 keeps all."""

    export_dir: str = ""
    """Directory for what is removed, as files that `hookline dead import` reads; they hold personal data and are
    yours to remove. Where they cannot be written, nothing is removed. Empty: what is removed is gone."""


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens on that address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
