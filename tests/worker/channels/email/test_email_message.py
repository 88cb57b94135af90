"""The head of an e-mail: any text of a payload is the value of its header and nothing else."""

from __future__ import annotations

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.message import Message as Parsed
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.channels.email.address import address_of
from worker.channels.email.head import is_one_header, one_line, text_header
from worker.channels.email.message import Mail, MailComposer
from worker.channels.settings import EmailSettings
from worker.outcome import Dead
from worker.rules.render import Message

COMPOSER = MailComposer(
    EmailSettings(host="h", sender="The Shop <shop@example.com>", unsubscribe="https://x.example/?w={to}")
)
NAMES = [
    "From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
]  # fmt: skip
INJECTED = (
    "=?utf-8?q?Hi=0D=0AReply-To:_evil=40evil.example=0D=0AContent-Type:_text/html=0D=0A=0D=0A<h1>locked</h1>?="
)
BASE64 = "=?utf-8?b?eApCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?="
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"

WORDS = st.sampled_from(
    ["=?", "?=", "=?utf-8?q?", "=?utf-8?b?", "=0D=0A", "=20", "_", " ", "  ", "\r\n", "\n", "\r", "\t", "\0",
     "\u2028", "\x85", "\x1c", "Bcc: a@b.c", ":", ",", ";", "<", ">", "@", '"', "\\", "\u202e", "\u200d", "\ufeff",
     "\u00df", "\u0416" * 40, "a" * 80, "\ud800", FAMILY]
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(alphabet=st.characters(), max_size=300),
    st.lists(st.one_of(WORDS, st.text(max_size=5)), max_size=20).map("".join),
)


def letter_of(**fields: Any) -> Mail:
    values = {"to": "ada@example.com", "subject": "s", "text": "t"} | fields
    made = COMPOSER.compose(Message(key="0123abcd", rule="r", source="s", event="e", data={}, **values))
    assert isinstance(made, Mail), made
    return made


def parsed(content: bytes) -> Parsed:
    return email.message_from_bytes(content, policy=email.policy.compat32)


def head_of(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[0]


def decoded(value: str) -> str:
    return str(make_header(decode_header(value.replace("\r\n ", " ").replace("\n ", " "))))


@given(ANY_TEXT)
@example(f"Hi {INJECTED}, you have points")
@example(f"Hi {BASE64}")
@example("\u0416" * 60)
@example(f"Ada {FAMILY}, {PERSIAN}")
@example("a" * 2000)
def test_any_subject_decodes_to_itself_and_adds_no_header(subject: str) -> None:
    content = letter_of(subject=f"x{subject}").content
    head = head_of(content)
    assert parsed(content).keys() == NAMES
    assert decoded(parsed(content)["Subject"]) == one_line(f"x{subject}")
    assert head.isascii()
    assert all(len(line) <= 78 for line in head.split(b"\r\n") if not line.startswith(b"List-"))
    assert all(len(word) <= 75 for word in re.findall(rb"=\?.*?\?=(?=\s)", head))
    assert not re.search(rb"[\r\n\0]", head.replace(b"\r\n", b""))


@given(ANY_TEXT)
@example(INJECTED)
@example("Nov\u00e1k, Ada")
@example('"Ada" \\ (of the shop)')
def test_any_name_is_a_name_and_adds_no_recipient(name: str) -> None:
    made = COMPOSER.compose(
        Message(key="k", rule="r", source="s", event="e", text="t", data={}, to=f"{name} <ada@example.com>")
    )
    if isinstance(made, Dead):  # it might be another address
        assert "@" in name
        return
    assert made.recipient == "ada@example.com"
    assert parsed(made.content).keys() == NAMES
    modern = email.message_from_bytes(made.content, EmailMessage, policy=email.policy.default)
    assert [address.addr_spec for address in modern["To"].addresses] == ["ada@example.com"]


@given(ANY_TEXT)
def test_any_event_name_is_a_subject(event: str) -> None:
    made = COMPOSER.compose(
        Message(key="k", rule="r", source="s", event=event, text="t", data={}, to="ada@example.com")
    )
    assert isinstance(made, Mail)
    assert parsed(made.content).keys() == NAMES
    assert decoded(parsed(made.content)["Subject"]) == one_line(f"r: {event}")


@given(ANY_TEXT, ANY_TEXT)
def test_any_body_stays_behind_the_head(text: str, html: str) -> None:
    content = letter_of(text=text, html=html).content
    assert parsed(content).keys()[:7] == NAMES[:7]
    assert b"\0" not in content
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))


def test_a_plain_subject_is_readable_on_the_wire() -> None:
    assert (
        b"\r\nSubject: 40 points for you: 2=3? (yes)\r\n"
        in letter_of(subject="40 points for you: 2=3? (yes)").content
    )


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("Hi\r\nBcc: a@b.c", "Hi Bcc: a@b.c"),
        (" a \t\n b\u2028c\x85\x00d ", "a b c d"),
        ("a\u202eb\u2066c\u2069\u200fd", "abcd"),
        (f"{FAMILY} {PERSIAN}", f"{FAMILY} {PERSIAN}"),
        ("40\u00a0points\u202f!", "40\u00a0points\u202f!"),
        ("a\ud800b", "a b"),
    ],
)
def test_a_line_keeps_all_but_controls(subject: str, line: str) -> None:
    assert one_line(subject) == line


@given(st.text() | st.text(" ab\r\n\u200d\u202e"))
def test_a_line_is_the_same_whatever_space_is_around_it(text: str) -> None:
    assert one_line(text) == one_line(f"{text}  ")


def test_long_unsubscribe_urls_are_not_folded() -> None:
    (line,) = [line for line in letter_of().content.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert line == b"List-Unsubscribe: <https://x.example/?w=ada%40example.com>"
    odd = MailComposer(
        EmailSettings(host="h", sender="a@b.c", unsubscribe="mailto:leave@b.c?subject=leave me\u00df%20")
    )
    made = odd.compose(Message(key="k", rule="r", source="s", event="e", text="t", data={}, to="ada@example.com"))
    assert isinstance(made, Mail)
    assert b"<mailto:leave@b.c?subject=leave%20me%C3%9F%20>" in made.content


@pytest.mark.parametrize(
    "header",
    [
        "Subject: a\r\nBcc: b",
        "Subject: a\r\n\r\nBcc: b",
        "Subject: a\nBcc: b",
        "Subject: a\rBcc: b",
        "Subject: a\0",
        "Subject: " + "a" * 1000,
        "Subject: " + "\u00e9" * 500,
        "Subject: a\r\nnonsense",
        "Subject: a\r\n \r\n b",
        "Subject: a\r\n",
    ],
)
def test_a_header_that_reads_as_something_else_is_noticed(header: str) -> None:
    assert not is_one_header(header)
    assert is_one_header(text_header("Subject", "\u00e9" * 100))


@given(
    content=ANY_TEXT.filter(bool),
    kinds=st.sampled_from([["text/plain"], ["text/html"], ["text/plain", "text/html"]]),
)
@example(content="\u0416" * 400, kinds=["text/plain", "text/html"])
@example(content="a" * 2000, kinds=["text/html"])
@example(content=".\n..\nFrom me\n \n", kinds=["text/plain"])
def test_a_mail_program_reads_the_text_and_the_html_that_were_written(content: str, kinds: list[str]) -> None:
    text, html = (content if kind in kinds else "" for kind in ("text/plain", "text/html"))
    mail = email.message_from_bytes(
        letter_of(text=text, html=html).content, EmailMessage, policy=email.policy.default
    )
    parts = list(mail.iter_parts()) if mail.is_multipart() else [mail]
    assert [part.get_content_type() for part in parts] == kinds
    expected = re.sub("\r\n?", "\n", content).replace("\0", "\ufffd").encode("utf-8", "replace")
    for part in parts:
        assert part.get_payload(decode=True).replace(b"\r\n", b"\n").removesuffix(b"\n") in (
            expected,
            expected.removesuffix(b"\n"),
        )
        assert part.get_content_charset() == "utf-8"


def test_a_head_that_would_be_broken_is_a_dead_letter() -> None:
    long = MailComposer(EmailSettings(host="h", sender="a@b.c", unsubscribe=f"https://x.example/{'a' * 1000}"))
    made = long.compose(Message(key="k", rule="r", source="s", event="e", text="t", data={}, to="ada@example.com"))
    assert isinstance(made, Dead)
    assert (made.reason, made.error_class) == ("permanent", "HeaderError")


def test_an_address_keeps_its_name() -> None:
    address = address_of(" Ana Maria <ana@example.com>\n")
    assert (address.name, address.addr_spec) == ("Ana Maria", "ana@example.com")
