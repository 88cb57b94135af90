from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.redis.redis_url import Address, AddressError, Login, parse

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
HOSTS = st.tuples(
    st.sampled_from(["localhost", "redis.internal", "10.0.0.1", "::1", "my_redis-1"]), st.integers(1, 65535)
)


def login(credentials: Login) -> str:
    if not (credentials.username or credentials.password):
        return ""
    return f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}@"


LOGINS = st.builds(Login, TEXT, TEXT)
DBS = st.integers(0, 15)


@given(host=HOSTS, tls=st.booleans(), db=DBS, as_whom=LOGINS)
def test_the_url_of_a_server_parses_to_the_same_values(
    host: tuple[str, int], tls: bool, db: int, as_whom: Login
) -> None:
    address = Address(hosts=(host,), tls=tls, db=db, login=as_whom)

    assert parse(str(address).replace("://", f"://{login(as_whom)}")) == address


@given(
    hosts=st.lists(HOSTS, min_size=1, max_size=5), tls=st.booleans(), db=DBS, as_whom=LOGINS, to_sentinels=LOGINS
)
def test_the_url_of_sentinels_parses_to_the_same_values(
    hosts: list[tuple[str, int]], tls: bool, db: int, as_whom: Login, to_sentinels: Login
) -> None:
    address = Address(
        hosts=tuple(hosts), primary="mymaster", tls=tls, db=db, login=as_whom, sentinel_login=to_sentinels
    )
    options = (
        f"?sentinel_username={quote(to_sentinels.username, safe='')}"
        f"&sentinel_password={quote(to_sentinels.password, safe='')}"
    )

    assert parse(str(address).replace("://", f"://{login(as_whom)}") + options) == address


@given(hosts=st.lists(HOSTS, min_size=1, max_size=5), tls=st.booleans(), as_whom=LOGINS)
def test_the_url_of_a_cluster_parses_to_the_same_values(
    hosts: list[tuple[str, int]], tls: bool, as_whom: Login
) -> None:
    address = Address(hosts=tuple(hosts), is_cluster=True, tls=tls, login=as_whom)

    assert parse(str(address).replace("://", f"://{login(as_whom)}")) == address


@given(path=TEXT.filter(bool), db=DBS, as_whom=LOGINS)
def test_the_url_of_a_socket_parses_to_the_same_values(path: str, db: int, as_whom: Login) -> None:
    address = Address(path=f"/{path}", db=db, login=as_whom)

    assert parse(str(address).replace("://", f"://{login(as_whom)}")) == address


@given(
    before=st.sampled_from(
        [
            "redis://",
            "redis://user:",
            "redis+sentinel://:",
            "redis+cluster://:",
            "unix://:",
            "http://",
            "redis:",
            "",
        ]
    ),
    password=st.text(max_size=30),
    after=st.sampled_from(["@host", "@host:port/0", "@h1,h2/mymaster", "@/path", "/0", "", "?db=1"]),
)
def test_no_message_shows_a_password_however_wrong_the_url_is(before: str, password: str, after: str) -> None:
    try:
        address = parse(f"{before}Zq9{password}9qZ{after}")
    except AddressError as error:
        assert "Zq9" not in str(error)
        assert "9qZ" not in str(error)
    else:
        assert "Zq9" not in repr(address.login)


def test_usual_urls_are_understood() -> None:
    assert parse("redis://host") == Address(hosts=(("host", 6379),))
    assert parse("REDIS://host/") == Address(hosts=(("host", 6379),))
    assert parse("rediss://:a+b%2F@host:6380/2") == Address(
        hosts=(("host", 6380),), tls=True, db=2, login=Login("", "a+b/")
    )
    assert parse("redis://user@[::1]?db=3") == Address(hosts=(("::1", 6379),), db=3, login=Login("user", ""))
    assert parse("unix:///run/redis.sock?db=1") == Address(path="/run/redis.sock", db=1)
    assert parse("redis+sentinel://a@b:p@h1,h2:1,h3/mymaster/1?sentinel_password=x+y") == Address(
        hosts=(("h1", 26379), ("h2", 1), ("h3", 26379)),
        primary="mymaster",
        db=1,
        login=Login("a@b", "p"),
        sentinel_login=Login("", "x+y"),
    )
    assert parse("rediss+cluster://u:p@h1,[::1]:7000/0") == Address(
        hosts=(("h1", 6379), ("::1", 7000)), is_cluster=True, tls=True, login=Login("u", "p")
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("host:6379", "not an address of Redis"),
        ("http://host", "not an address of Redis"),
        ("redis://", "a host or port is not valid"),
        ("redis://h1,h2", "a host or port is not valid"),
        ("redis://host:0", "a host or port is not valid"),
        ("redis://host:65536", "a host or port is not valid"),
        ("redis://:pass/word@host", "a host or port is not valid"),
        ("redis://host/name", "the database is not a number"),
        ("redis://host#1", "not an address of Redis"),
        ("redis://host?ssl_cert_reqs=none", "unknown option after the ?; known options: db"),
        ("redis+sentinel://h1,h2", "the name of the primary"),
        ("redis+sentinel://h1,/mymaster", "a host or port is not valid"),
        ("redis+sentinel://u:12/34@h1", "the name of the primary"),
        ("redis+sentinel://h/m?password=x", "options: db, sentinel_password, sentinel_username"),
        ("redis+cluster://h1,h2/1", "a Redis Cluster has only the database 0"),
        ("redis+cluster://h1?db=2", "a Redis Cluster has only the database 0"),
        ("redis+cluster://h1,", "a host or port is not valid"),
        ("unix://redis.sock", "three slashes"),
        ("unix://", "three slashes"),
    ],
)
def test_an_invalid_url_is_reported_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason.replace("?", r"\?")):
        parse(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hidden@host:1/2", "redis://host:1/2"),
        ("rediss://:hid@den@host", "rediss://host:6379"),
        ("unix://:hidden@/run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("redis+cluster://u:hidden@h1,h2:7000", "redis+cluster://h1:6379,h2:7000"),
        ("rediss+sentinel://u:hidden@h1,h2/m?sentinel_password=hidden", "rediss+sentinel://h1:26379,h2:26379/m"),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert str(parse(url)) == shown
    assert "hid" not in repr(parse(url))
