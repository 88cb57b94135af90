"""Settings of the ways to sign in without a password that is in the config: `[inspector.proxy_login]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")]

EVERYONE = "*"
"""The group that everyone who signs in belongs to."""


class GroupRights(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The groups whose members have a right. A user in neither read_groups nor operate_groups is turned away."""

    read_groups: tuple[str, ...] = ()
    """Groups whose members may look; `*` for everyone who signs in."""

    operate_groups: tuple[str, ...] = ()
    """Groups whose members may also replay, discard, note, and pause channels; `*` for everyone who signs in."""

    reveal_groups: tuple[str, ...] = ()
    """Groups whose members may also see and download personal data, which is masked otherwise. This alone does
    not let a user in."""


class ProxyLogin(GroupRights, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A proxy in `trusted_proxies` signs users in, and names them in a header of each request."""

    user_header: HeaderName
    """Header with the name of the user, such as X-Forwarded-User. The proxy must remove it from the requests of
    clients. It is believed only from trusted_proxies; from another address such a request is refused."""

    groups_header: HeaderName | None = None
    """Header with the groups of the user, separated by commas, such as X-Forwarded-Groups. Not set: users have
    no groups, so that only `*` gives rights."""
