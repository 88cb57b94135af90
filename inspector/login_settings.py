"""Settings of the ways to sign in elsewhere: `[inspector.proxy_login]` and `[inspector.oidc]`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sources.secret import Secret

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
    """Header with the groups of the user, such as X-Forwarded-Groups. Not set: users have no groups, so that only
    `*` gives rights."""

    groups_separator: Literal[",", "|", ";"] = ","
    """Character between two groups in that header. No name of a group may contain it."""


class OidcLogin(GroupRights, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider of OpenID Connect signs users in. Needs the extra `oidc`."""

    issuer: str
    """URL of the provider, exactly as it writes it in its own discovery document:
    `https://login.example.com/realms/main`."""

    client_id: str
    """Name of this inspector at the provider, where it is registered as a client."""

    client_secret: Secret | None = None
    """Secret of this client. Not set: the provider knows it as a public client, which PKCE alone protects."""

    public_url: str
    """Address of the inspector in browsers, such as `https://hookline.example.com`. Its host belongs into `hosts`.
    The redirect URI to register at the provider is this address with `/login/oidc/callback` after it."""

    scopes: tuple[str, ...] = ("openid", "profile")
    """Scopes to ask for. `openid` is always needed; some providers send groups only with one of their own."""

    name_claim: str = "preferred_username"
    """Claim of the ID token with the name of the user. Choose one that users cannot change themselves."""

    groups_claim: str = "groups"
    """Claim of the ID token with the groups of the user, a list."""
