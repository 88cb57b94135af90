"""Parses one e-mail address, and encodes its domain in ASCII. Pure."""

from __future__ import annotations

import re
import unicodedata

import idna
from msgspec import Struct

from worker.channels.email.head import one_line

_MAX_BYTES = 254
"""Longest address in an SMTP command (RFC 5321)."""

_NAMED = re.compile(r"(.*)<([^<>]*)>", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ATOMS = re.compile(r"[^\s()<>@,;:\\\"\[\]]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[(?:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|IPv6:[0-9A-Fa-f:.]+)\]")
_PLAIN = re.compile(rf"([\w!#$%&'*+/={{|}}~-]+(?:\.[\w!#$%&'*+/={{|}}~-]+)*)@({_LABEL}(?:\.{_LABEL})*)", re.ASCII)
"""Nearly every address, without a display name, quotes and characters that need a closer look."""

_NOT_AN_ADDRESS = "it is not one address like name@example.com"


class AddressError(ValueError):
    """The text is not the address of one recipient. The message does not contain the text."""


class MailAddress(Struct, frozen=True):
    """A mailbox, ready for SMTP and for a header."""

    name: str
    local: str
    """The part before the @, in quotes where it needs them."""

    domain: str

    @property
    def addr_spec(self) -> str:
        """The address without a display name."""
        return f"{self.local}@{self.domain}"


def address_of(text: str) -> MailAddress:
    """The one address in `shop@example.com` or `The Shop <shop@example.com>`. Raises AddressError.

    Invisible characters around the address are removed; the error names one within it. The display name is not
    decoded.
    """
    plain = _PLAIN.fullmatch(text)
    if plain and len(text) <= _MAX_BYTES:
        return MailAddress("", plain[1], plain[2])
    text = _trimmed(text)
    if not text:
        raise AddressError("it is empty")
    named = _NAMED.fullmatch(text)
    name, bare = (_name(named[1].strip()), _trimmed(named[2])) if named else ("", text)
    _check_visible(bare)
    local, _, domain = bare.rpartition("@")
    address = MailAddress(name, _local(local), _domain(domain))
    if len(address.addr_spec.encode("utf-8", "replace")) > _MAX_BYTES:
        raise AddressError(f"it is longer than {_MAX_BYTES} bytes")
    return address


def _trimmed(text: str) -> str:
    """The text without white space and invisible characters (byte order mark, zero-width space) at both ends."""
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_blank(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cf"


def _check_visible(text: str) -> None:
    for position, char in enumerate(text, 1):
        if not char.isprintable():
            kind = "control" if unicodedata.category(char) == "Cc" else "invisible"
            raise AddressError(f"it has the {kind} character U+{ord(char):04X} at position {position}")


def _name(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return one_line(_unescaped(quoted[1]))
    if "@" in text:  # a second address
        raise AddressError(_NOT_AN_ADDRESS)
    return one_line(text)


def _local(text: str) -> str:
    """The part before the @, quoted where SMTP requires it."""
    # Real addresses break the rule about dots (`ada..b@`, `ada.@`); in quotes SMTP allows them.
    quoted = _QUOTED.fullmatch(text)
    plain = _unescaped(quoted[1]) if quoted else text
    if not plain or "=?" in plain or not (quoted or _ATOMS.fullmatch(text)):
        raise AddressError(_NOT_AN_ADDRESS)
    if _ATOMS.fullmatch(plain) and not (plain[0] == "." or plain[-1] == "." or ".." in plain):
        return plain
    escaped = re.sub(r'(["\\])', r"\\\1", plain)
    return f'"{escaped}"'


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _domain(text: str) -> str:
    """The domain in ASCII, by IDNA 2008."""
    # For some letters (\u00df, \u03c2), IDNA 2003 gives a different domain, which may belong to another owner.
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise AddressError("its domain is not one by IDNA 2008") from None
    if not _DOMAIN.fullmatch(text):
        raise AddressError(_NOT_AN_ADDRESS)
    return text
