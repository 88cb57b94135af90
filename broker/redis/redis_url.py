"""Where Redis is: what `redis.url` says, taken apart. Pure, and no message ever shows a password."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from msgspec import Struct

FORMS = (
    "write redis://[user:password@]host[:port][/db], rediss:// for TLS, unix:///path/to/redis.sock, "
    "or redis+sentinel://[user:password@]host[:port],host,host/primary[/db]; "
    "in a user or password write / ? # @ % : as %2F %3F %23 %40 %25 %3A"
)

_TLS = {"redis": False, "rediss": True, "redis+sentinel": False, "rediss+sentinel": True, "unix": False}
_PORT = 6379
_SENTINEL_PORT = 26379
_SERVER_OPTIONS = frozenset({"db"})
_SENTINEL_OPTIONS = frozenset({"db", "sentinel_username", "sentinel_password"})

_URL = re.compile(r"([a-z+]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::([0-9]{1,5}))?")
_PRIMARY = re.compile(r"[\w.-]+", re.ASCII)
"""What Sentinel allows as a name."""

Host = tuple[str, int]


class AddressError(ValueError):
    """Not an address of Redis. The message never shows a part of it: that could be one of a password."""


class Login(Struct, frozen=True):
    """Who one is to a server; both empty for nobody."""

    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return "Login(...)"


class Address(Struct, frozen=True, kw_only=True):
    """A server, a socket, or the sentinels that know the server. `str` shows it without its passwords."""

    hosts: tuple[Host, ...] = ()
    """The server, or the sentinels; empty for a socket."""

    path: str = ""
    """Path of a unix socket, else empty."""

    primary: str = ""
    """Name by which the sentinels know the primary; empty where none are asked."""

    tls: bool = False
    """Speak TLS, to the sentinels too."""

    db: int = 0
    login: Login = Login()
    sentinel_login: Login = Login()

    def __str__(self) -> str:
        if self.path:
            return f"unix://{quote(self.path)}" + (f"?db={self.db}" if self.db else "")
        scheme = f"redis{'s' * self.tls}{'+sentinel' if self.primary else ''}"
        hosts = ",".join(f"{f'[{host}]' if ':' in host else host}:{port}" for host, port in self.hosts)
        return "/".join(str(part) for part in (f"{scheme}://{hosts}", self.primary, self.db) if part)


def parse(url: str) -> Address:
    """Take `redis.url` apart. Raises AddressError."""
    found = _URL.fullmatch(url.strip())
    if found is None or found[1].lower() not in _TLS:
        raise AddressError(f"not an address of Redis: {FORMS}")
    scheme, place, path, query = found[1].lower(), found[2], found[3], found[4] or ""
    user, _, hosts = place.rpartition("@")
    by_sentinel = scheme.endswith("+sentinel")
    options = _options(query, _SENTINEL_OPTIONS if by_sentinel else _SERVER_OPTIONS)
    login = _login(user)
    if scheme == "unix":
        if hosts or len(path) < 2:
            raise AddressError("a unix socket's address has three slashes and a path: unix:///path/to/redis.sock")
        return Address(path=unquote(path), db=_db(options.get("db", "")), login=login)
    primary, _, db = path[1:].partition("/") if by_sentinel else ("", "", path[1:])
    if by_sentinel and not _PRIMARY.fullmatch(primary):
        raise AddressError(f"the name of the primary, as the sentinels know it, is missing: {FORMS}")
    return Address(
        hosts=_hosts(hosts, several=by_sentinel),
        primary=primary,
        tls=_TLS[scheme],
        db=_db(options.get("db", db)),
        login=login,
        sentinel_login=Login(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
    )


def _login(user: str) -> Login:
    username, _, password = user.partition(":")
    return Login(unquote(username), unquote(password))


def _hosts(text: str, *, several: bool) -> tuple[Host, ...]:
    found = [_HOST.fullmatch(part) for part in (text.split(",") if several else [text])]
    hosts = tuple(
        (match[1].strip("[]"), int(match[2] or (_SENTINEL_PORT if several else _PORT)))
        for match in found
        if match is not None
    )
    if len(hosts) < len(found) or not all(0 < port < 65536 for _, port in hosts):
        raise AddressError(f"a host or port is none: {FORMS}")
    return hosts


def _db(text: str) -> int:
    if not re.fullmatch("[0-9]{0,9}", text):
        raise AddressError(f"the database is not a number: {FORMS}")
    return int(text or 0)


def _options(query: str, known: frozenset[str]) -> dict[str, str]:
    pairs = [part.partition("=") for part in query.split("&") if part]
    if not all(name in known for name, _, _ in pairs):
        raise AddressError(f"unknown option after the ?; there is {', '.join(sorted(known))}")
    return {name: unquote(value) for name, _, value in pairs}
