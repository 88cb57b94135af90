"""Checks of the ways to sign in to the inspector besides passwords."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.login_settings import EVERYONE, GroupRights
from inspector.settings import Settings as InspectorSettings


def sign_in(inspector: InspectorSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for ways to sign in that cannot work or let no user in."""
    proxy = inspector.proxy_login
    if proxy is None:
        return
    path = "inspector.proxy_login"
    if not inspector.trusted_proxies:
        yield path, "it needs the address of the proxy, whose headers are believed: set inspector.trusted_proxies"
    yield from _rights(path, proxy)
    if proxy.groups_header is None and any(group != EVERYONE for group in _groups(proxy)):
        yield f"{path}.groups_header", 'missing: without it users have no groups; only "*" would give rights'
    if proxy.groups_header and proxy.groups_header.lower() == proxy.user_header.lower():
        yield f"{path}.groups_header", "it is the header of the name: groups need a header of their own"


def _rights(path: str, rights: GroupRights) -> Iterator[tuple[str, str]]:
    if not rights.read_groups and not rights.operate_groups:
        yield path, 'it lets no user in: set read_groups or operate_groups, to groups or to "*" for everyone'


def _groups(rights: GroupRights) -> Iterator[str]:
    yield from (*rights.read_groups, *rights.operate_groups, *rights.reveal_groups)
