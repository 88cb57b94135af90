"""A name is found in every encoding, and other names are not."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import idna
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from inspector.privacy.masking import DEFAULT
from inspector.privacy.name_matcher import NameMatcher

ADA = NameMatcher("Ada@Bücher.example")


@pytest.mark.parametrize(
    "text",
    [
        "ada@bücher.example",
        "ADA@XN--BCHER-KVA.EXAMPLE",
        "ada%40xn--bcher-kva.example",
        "ADA%40b%c3%bccher.example",
        "ada%2540b%25C3%25BCcher%2eexample",
        "ada%252540xn--bcher-kva.example",
        "\\u0061da\\u0040b\\u00FCcher.example",
        "\\\\u0061da\\\\u0040b\\\\u00FCcher.example",
        "ada@bu\u0308cher.example",
        "\uff41\uff44\uff41\uff20xn--bcher-kva.example",
        "ada&#64;bücher.example",
        "ada&#x40;bücher.example",
    ],
)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("?e%3D", "%26n=1"), ("\\n", "\\n"), ("<", ">."), ('"', '"')]
)
def test_an_address_is_found_in_every_spelling(text: str, before: str, after: str) -> None:
    assert ADA.is_in(before + text + after)
    assert ADA.replaced(before + text + after, "*") == f"{before}*{after}"


@pytest.mark.parametrize(
    "text",
    [
        "jim.ada@bücher.example",
        "jim+ada@bücher.example",
        "jim%2Bada%40xn--bcher-kva.example",
        "jim%2eada@xn--bcher-kva.example",
        "xada@bücher.example",
        "%78ada@bücher.example",
        "ada@bücher.example.au",
        "ada@bücher.example%2Eau",
        "ada@bücher.examples",
        "ada@bucher.example",
        "ada at bücher.example",
    ],
)
def test_the_address_of_another_is_not_found(text: str) -> None:
    assert not ADA.is_in(text)
    assert ADA.replaced(text, "*") == text


@pytest.mark.parametrize("number", ["+49 30 1234567", "0049301234567", "030 1234567", "(030) 1234567"])
@pytest.mark.parametrize(
    "text",
    [
        "+49301234567",
        "+49 30 123 45 67",
        "+49 (0)30 1234567",
        "0049-30-1234567",
        "030/1234567",
        "(030) 1234567",
        "4930.123.4567",
        "%2B49301234567",
        "%2B49%2030%201234567",
        "\\u002b4930 1234567",
    ],
)
def test_a_phone_number_is_found_in_every_form(number: str, text: str) -> None:
    assert NameMatcher(number).is_in(f"tel {text}, and more")
    assert NameMatcher(number).replaced(f"tel:{text}.", "*") == "tel:*."


@pytest.mark.parametrize(
    "text", ["030 12345678", "1030 1234567", "+49 30 1234568", "0301234567.5", "1234567", "x0301234567"]
)
def test_the_number_of_another_is_not_found(text: str) -> None:
    assert not NameMatcher("+49 30 1234567").is_in(text)


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
locals_ = st.from_regex(r"[a-z0-9]([a-z0-9._+-]{0,12}[a-z0-9])?", fullmatch=True)
labels = st.one_of(
    st.text(LETTERS, min_size=1, max_size=10),
    st.text(LETTERS + "äöüßéñøåčłžàç", min_size=1, max_size=10),
    st.text("бгджиклмнопрстуфхцчшыэюя", min_size=2, max_size=10),
)
domains = st.lists(labels, min_size=1, max_size=3).map(lambda parts: ".".join([*parts, "example"]))


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


SPELLINGS = (
    str,
    str.upper,
    percent,
    lambda text: percent(text).upper(),
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: quote(percent(text)),
    escaped,
    lambda text: json.dumps(text)[1:-1],
    lambda text: escaped(text).replace("u00", "U00").replace("U00", "u00"),
    lambda text: text.replace("@", "\uff20"),
)


def punycode(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain


@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(locals_, domains, st.sampled_from(SPELLINGS), st.booleans(), st.booleans())
def test_any_address_in_any_spelling_is_found_and_masked(
    local: str, domain: str, spelled: object, given_as_punycode: bool, found_as_punycode: bool
) -> None:
    assert callable(spelled)
    name = f"{local}@{punycode(domain) if given_as_punycode else domain}"
    text = spelled(f"{local}@{punycode(domain) if found_as_punycode else domain}")
    if "ß" in domain:
        return  # in upper case, and for some domains as punycode, it is another name

    assert NameMatcher(name).is_in(f"mail={text}&n=1")
    assert NameMatcher(name).replaced(f"mail={text}&n=1", "*") == "mail=*&n=1"
    assert text not in DEFAULT.text(f"https://x.example/?mail={text}&n=1")


@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(locals_, domains)
def test_an_address_is_not_found_in_one_that_only_ends_or_begins_so(local: str, domain: str) -> None:
    name = NameMatcher(f"{local}@{domain}")
    assert not name.is_in(f"x{local}@{domain}")
    assert not name.is_in(f"x.{local}@{domain}")
    assert not name.is_in(f"{local}@{domain}.au")


@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.text(min_size=4), st.text())
def test_any_name_can_be_looked_for_in_any_text(name: str, text: str) -> None:
    if name.strip():
        matcher = NameMatcher(name)
        assert matcher.replaced(text, "*") == text or matcher.is_in(text)


def test_a_long_name_that_continues_differently_is_rejected_quickly() -> None:
    name = "ada" * 20 + "@example.com"
    started_s = time.process_time()
    assert not NameMatcher(name).is_in(f"{name}.au " * 1000)
    assert time.process_time() - started_s < 3
