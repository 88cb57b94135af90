"""An address in a text, as people and forms write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.channels.email.address import AddressError, MailAddress, address_of


@pytest.mark.parametrize(
    ("text", "name", "addr_spec"),
    [
        ("ada@example.com", "", "ada@example.com"),
        ("<ada@example.com>", "", "ada@example.com"),
        ("Ana Maria <ana@example.com>", "Ana Maria", "ana@example.com"),
        ('"Nov\u00e1k, Ada" <ana@example.com>', "Nov\u00e1k, Ada", "ana@example.com"),
        ("Nov\u00e1k, Ada <ana@example.com>", "Nov\u00e1k, Ada", "ana@example.com"),
        ('"a \\"b\\" <c@d>" <ana@example.com>', 'a "b" <c@d>', "ana@example.com"),
        ("=?utf-8?q?a=40b?= <ada@example.com>", "=?utf-8?q?a=40b?=", "ada@example.com"),
        ("Ada\r\nBcc: x <ada@example.com>", "Ada Bcc: x", "ada@example.com"),
        ("\u200b\ufeff ada@example.com\u00a0\u2060", "", "ada@example.com"),
        ("ada..b@docomo.example.jp", "", '"ada..b"@docomo.example.jp'),
        (".ada@docomo.example.jp", "", '".ada"@docomo.example.jp'),
        ("ada.@docomo.example.jp", "", '"ada."@docomo.example.jp'),
        ('"a b"@x', "", '"a b"@x'),
        ('"ada"@x', "", "ada@x"),
        ('"a\\"b"@x', "", '"a\\"b"@x'),
        ("a!#$%&'*+-/=^_?`{|}~b@x.de", "", "a!#$%&'*+-/=^_?`{|}~b@x.de"),
        ("j\u00fcrgen@b\u00fccher.example", "", "j\u00fcrgen@xn--bcher-kva.example"),
        ("ada@fa\u00df.de", "", "ada@xn--fa-hia.de"),
        ("ada@\u03c3\u03c9\u03bb\u03b9\u03c2.\u03b5\u03c5", "", "ada@xn--uxadwb4a.xn--qxa6a"),
        ("Ada <3 <ada@example.com>", "Ada <3", "ada@example.com"),
        ("ada@B\u00dcCHER.example", "", "ada@xn--bcher-kva.example"),
        ("ada@ex_ample.com", "", "ada@ex_ample.com"),
        ("ada@[192.0.2.1]", "", "ada@[192.0.2.1]"),
        ("ada@[IPv6:2001:db8::1]", "", "ada@[IPv6:2001:db8::1]"),
    ],
)  # fmt: skip
def test_one_address_is_taken_as_it_is_written(text: str, name: str, addr_spec: str) -> None:
    address = address_of(text)
    assert (address.name, address.addr_spec) == (name, addr_spec)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a\u200bda@example.com", "it has the invisible character U+200B at position 2"),
        ("ada@exam\u00adple.com", "it has the invisible character U+00AD at position 9"),
        ("ada\x00@example.com", "it has the control character U+0000 at position 4"),
        ("ada@example.com\nBcc: b@c.de", "it has the control character U+000A at position 16"),
        ("Ada <a\u00a0b@c.de>", "it has the invisible character U+00A0 at position 2"),
        ("\u200b ", "it is empty"),
        (f"{'a' * 250}@example.com", "it is longer than 254 bytes"),
        ("ada@\u2603.example", "its domain is not one by IDNA 2008"),
        ("ada@a\u200db.example", "it has the invisible character U+200D at position 6"),
    ],
)
def test_what_is_wrong_is_named(text: str, error: str) -> None:
    with pytest.raises(AddressError) as caught:
        address_of(text)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    "text",
    [
        "nadia", "@x.de", "a@", "a@@b", "a b@c.de", "a@b c", "a@b.c,d@e.f", "a@b.c;d@e.f", "a@b.c, B <d@e.f>",
        "a@b.c <d@e.f>", "<a@b.c> <d@e.f>", "<a@b.c>, <d@e.f>", "team: a@b.c, d@e.f;", "a(b)@c.de", "a@b.c (Ada)",
        '"a"b@c.de', '"@c.de', '""@c.de', "a\\b@c.de", "a@b..c", "a@.b", "a@b.", "a@-b.c", "a@[x]", "a@b>", "<a@b",
        "=?utf-8?q?a?=@example.com", "a@b.c%2Cd@e.f,g", "a@b/c",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        address_of(text)
    assert text not in str(caught.value)


@given(st.text(max_size=60))
def test_no_text_fails_in_another_way_or_carries_a_control(text: str) -> None:
    try:
        address = address_of(text)
    except AddressError:
        return
    assert address.domain.isascii()
    assert address.addr_spec.isprintable()


@given(st.from_regex(r"[\w!#$%&'*+/={|}~.?-]{1,9}@[\w.-]{1,9}", fullmatch=True))
def test_an_address_alone_is_the_same_as_in_angle_brackets(text: str) -> None:
    assert found(text) == found(f"<{text}>")


def found(text: str) -> MailAddress | None:
    try:
        return address_of(text)
    except AddressError:
        return None
