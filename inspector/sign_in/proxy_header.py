"""Reads who a user is from the headers of a proxy that signs users in. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Collection

from multidict import CIMultiDictProxy

from inspector.login_settings import ProxyLogin
from inspector.sign_in.identity import Identity, SignInRefused, identity_by_groups

_SECTION = "inspector.proxy_login"


class ProxyHeader:
    """Believes the headers of trusted proxies, and nothing else."""

    def __init__(self, settings: ProxyLogin, *, reserved: Collection[str]) -> None:
        """`reserved`: names of the users who have a password."""
        self._settings = settings
        self._reserved = frozenset(reserved)

    def identify(self, headers: CIMultiDictProxy[str], *, is_from_proxy: bool) -> Identity | SignInRefused | None:
        """The user whom the headers name; None if they name no user.

        is_from_proxy: the connection comes from one of the trusted proxies.
        """
        settings = self._settings
        names = headers.getall(settings.user_header, ())
        groups = headers.getall(settings.groups_header, ()) if settings.groups_header else ()
        if not names and not groups:
            return None
        if not is_from_proxy:
            return SignInRefused(
                403,
                "the address is not in inspector.trusted_proxies",
                f"The header {settings.user_header} is believed only from a proxy in inspector.trusted_proxies, "
                "and this request came from another address.",
            )
        if len(names) > 1 or len(groups) > 1:
            # A client sent one and the proxy added its own: no rule says which of them to believe.
            return SignInRefused(
                400,
                "a header was there twice",
                f"The request has {settings.user_header} or {settings.groups_header or 'its groups'} twice. The "
                "proxy must remove these headers from the requests of clients.",
            )
        name = names[0].strip() if names else ""
        if not name:
            return None
        members = [group.strip() for group in groups[0].split(settings.groups_separator)] if groups else []
        return identity_by_groups(name, members, settings, how="proxy", section=_SECTION, reserved=self._reserved)
