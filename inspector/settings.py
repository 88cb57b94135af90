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
    """Address to listen on. One that other machines reach needs a user."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    """Port to listen on; 0 takes a free one."""

    hosts: tuple[str, ...] = ()
    """Names that it answers to beside localhost, 127.0.0.1 and `host`: those that a proxy before it has. Any other
    Host is answered 421, which keeps other people's pages from reaching it under a name of theirs."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks of the proxies before it. What X-Forwarded-For or Forwarded says of who logs in is believed only
    from these; it decides who has to wait after wrong passwords."""

    users: dict[str, User] = {}
    """By name."""

    session_idle_s: Seconds = 1800.0
    """A login ends after so many seconds without a click."""

    session_max_s: Seconds = 43_200.0
    """A login ends after so many seconds in any case."""


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens on that address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
