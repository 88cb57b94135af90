"""Checks of the ways to sign in to the inspector besides passwords."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from inspector.http import request_origin
from inspector.login_settings import EVERYONE, GroupRights, OidcLogin, ProxyLogin
from inspector.settings import Settings as InspectorSettings
from inspector.settings import is_local
from launcher.config.struct_reader import Check


def sign_in_checks() -> Mapping[tuple[type, str], Check]:
    """The checks of single values, by struct and field."""
    return {
        (OidcLogin, "issuer"): _issuer,
        (OidcLogin, "public_url"): _public_url,
        (OidcLogin, "client_id"): _not_empty,
        (OidcLogin, "name_claim"): _not_empty,
        (OidcLogin, "scopes"): _scopes,
    }


def sign_in(inspector: InspectorSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for ways to sign in that cannot work or let no user in."""
    if inspector.proxy_login:
        yield from _proxy_login(inspector.proxy_login, inspector)
    if inspector.oidc:
        yield from _oidc(inspector.oidc, inspector)
    if inspector.proxy_login and inspector.oidc:
        yield (
            "inspector.oidc",
            "inspector.proxy_login signs users in too, and two users could have one name: use one of them",
        )


def _proxy_login(proxy: ProxyLogin, inspector: InspectorSettings) -> Iterator[tuple[str, str]]:
    path = "inspector.proxy_login"
    if not inspector.trusted_proxies:
        yield path, "it needs the address of the proxy, whose headers are believed: set inspector.trusted_proxies"
    yield from _rights(path, proxy)
    groups = (*proxy.read_groups, *proxy.operate_groups, *proxy.reveal_groups)
    if proxy.groups_header is None and any(group != EVERYONE for group in groups):
        yield f"{path}.groups_header", 'missing: without it users have no groups; only "*" would give rights'
    if proxy.groups_header and proxy.groups_header.lower() == proxy.user_header.lower():
        yield f"{path}.groups_header", "it is the header of the name: groups need a header of their own"


def _oidc(oidc: OidcLogin, inspector: InspectorSettings) -> Iterator[tuple[str, str]]:
    path = "inspector.oidc"
    if find_spec("joserfc") is None:
        yield path, "needs a library for ID tokens: pip install 'hookline[oidc]'"
    yield from _rights(path, oidc)
    host = urlsplit(oidc.public_url).hostname or ""
    name = f"[{host}]" if ":" in host else host
    if name not in request_origin.known_names(inspector.host, inspector.hosts):
        yield f"{path}.public_url", f"requests for {host} are refused: add it to inspector.hosts"


def _rights(path: str, rights: GroupRights) -> Iterator[tuple[str, str]]:
    if not rights.read_groups and not rights.operate_groups:
        yield path, 'it lets no user in: set read_groups or operate_groups, to groups or to "*" for everyone'


def _issuer(url: str) -> Iterator[tuple[str, str]]:
    host = _host_of(url)
    if not host or "?" in url or "#" in url:
        yield "", "not the URL of a provider: write it like https://login.example.com"
    elif not url.startswith("https://") and not is_local(host):
        yield "", "it must be https, since the keys that verify logins come from there"


def _public_url(url: str) -> Iterator[tuple[str, str]]:
    if not _host_of(url) or urlsplit(url).path not in ("", "/") or "?" in url or "#" in url:
        yield "", "not the address of the inspector: write it like https://hookline.example.com, without a path"


def _not_empty(text: str) -> Iterator[tuple[str, str]]:
    if not text.strip():
        yield "", "it is empty"


def _scopes(scopes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if "openid" not in scopes:
        yield "", "openid is missing, without which there is no ID token"


def _host_of(url: str) -> str:
    """The host of a plain http or https URL; "" for any other text."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    is_plain = parts.scheme in ("http", "https") and parts.username is None and port != 0
    return (parts.hostname or "") if is_plain and url.isprintable() and " " not in url else ""
