"""Parses `redis.url`. This module has no I/O, and its error messages never contain a password."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from msgspec import Struct

FORMS = (
    "write redis://[user:password@]host[:port][/db], rediss:// for TLS, unix:///path/to/redis.sock, "
    "redis+sentinel://[user:password@]host[:port],host,host/primary[/db], "
    "or redis+cluster://[user:password@]host[:port],host,host; "
    "in a user or password write / ? # @ % : as %2F %3F %23 %40 %25 %3A"
)

_TLS = {
    "redis": False,
    "rediss": True,
    "redis+sentinel": False,
    "rediss+sentinel": True,
    "redis+cluster": False,
    "rediss+cluster": True,
    "unix": False,
}
_PORT = 6379
_SENTINEL_PORT = 26379
_SERVER_OPTIONS = frozenset({"db"})
_SENTINEL_OPTIONS = frozenset({"db", "sentinel_username", "sentinel_password"})

_URL = re.compile(r"([a-z+]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::([0-9]{1,5}))?")
_PRIMARY = re.compile(r"[\w.-]+", re.ASCII)
"""The names that Sentinel allows for a primary."""

Host = tuple[str, int]


class AddressError(ValueError):
    """The text is not an address of Redis."""

    # The message never contains a part of the text, because that could be a part of a password.


class Login(Struct, frozen=True):
    """The user and the password for a server; both are empty without a login."""

    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return "Login(...)"


class Address(Struct, frozen=True, kw_only=True):
    """The address of a server, of a unix socket, of sentinels, or of a cluster.

    `str` shows it without its passwords.
    """

    hosts: tuple[Host, ...] = ()
    """The server, the sentinels, or some nodes of the cluster; empty for a socket."""

    path: str = ""
    """The path of a unix socket; empty for hosts."""

    primary: str = ""
    """The name of the primary that the sentinels use; empty without sentinels."""

    is_cluster: bool = False
    """True for a Redis Cluster, of which `hosts` are some nodes."""

    tls: bool = False
    """True to use TLS, also for the sentinels."""

    db: int = 0
    login: Login = Login()
    sentinel_login: Login = Login()

    def __str__(self) -> str:
        if self.path:
            return f"unix://{quote(self.path)}" + (f"?db={self.db}" if self.db else "")
        kind = "+sentinel" if self.primary else "+cluster" if self.is_cluster else ""
        scheme = f"redis{'s' * self.tls}{kind}"
        hosts = ",".join(f"{f'[{host}]' if ':' in host else host}:{port}" for host, port in self.hosts)
        return "/".join(str(part) for part in (f"{scheme}://{hosts}", self.primary, self.db) if part)


def parse(url: str) -> Address:
    """Parse `redis.url`. Raises AddressError."""
    match = _URL.fullmatch(url.strip())
    if match is None or match[1].lower() not in _TLS:
        raise AddressError(f"not an address of Redis: {FORMS}")
    scheme, authority, path, query = match[1].lower(), match[2], match[3], match[4] or ""
    user, _, hosts = authority.rpartition("@")
    by_sentinel, is_cluster = scheme.endswith("+sentinel"), scheme.endswith("+cluster")
    options = _options(query, _SENTINEL_OPTIONS if by_sentinel else _SERVER_OPTIONS)
    login = _login(user)
    if scheme == "unix":
        if hosts or len(path) < 2:
            raise AddressError("write the address of a unix socket with three slashes: unix:///path/to/redis.sock")
        return Address(path=unquote(path), db=_db(options.get("db", "")), login=login)
    primary, _, db = path[1:].partition("/") if by_sentinel else ("", "", path[1:])
    if by_sentinel and not _PRIMARY.fullmatch(primary):
        raise AddressError(f"the name of the primary, as the sentinels know it, is missing: {FORMS}")
    address = Address(
        hosts=_hosts(hosts, several=by_sentinel or is_cluster, port=_SENTINEL_PORT if by_sentinel else _PORT),
        primary=primary,
        is_cluster=is_cluster,
        tls=_TLS[scheme],
        db=_db(options.get("db", db)),
        login=login,
        sentinel_login=Login(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
    )
    if is_cluster and address.db:
        raise AddressError("a Redis Cluster has only the database 0: leave out the number of the database")
    return address


def _login(user: str) -> Login:
    username, _, password = user.partition(":")
    return Login(unquote(username), unquote(password))


def _hosts(text: str, *, several: bool, port: int) -> tuple[Host, ...]:
    matches = [_HOST.fullmatch(part) for part in (text.split(",") if several else [text])]
    hosts = tuple((match[1].strip("[]"), int(match[2] or port)) for match in matches if match is not None)
    if len(hosts) < len(matches) or not all(0 < port < 65536 for _, port in hosts):
        raise AddressError(f"a host or port is not valid: {FORMS}")
    return hosts


def _db(text: str) -> int:
    if not re.fullmatch("[0-9]{0,9}", text):
        raise AddressError(f"the database is not a number: {FORMS}")
    return int(text or 0)


def _options(query: str, known: frozenset[str]) -> dict[str, str]:
    pairs = [part.partition("=") for part in query.split("&") if part]
    if not all(name in known for name, _, _ in pairs):
        raise AddressError(f"unknown option after the ?; known options: {', '.join(sorted(known))}")
    return {name: unquote(value) for name, _, value in pairs}
