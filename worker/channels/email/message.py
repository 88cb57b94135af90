"""Message -> the e-mail that carries it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import quote

from msgspec import Struct

from worker.channels.email.address import AddressError, MailAddress, address_of
from worker.channels.email.head import is_as_set, mailbox_header, one_line, text_header
from worker.channels.errors import ChannelError
from worker.channels.settings import EmailSettings
from worker.outcome import Dead
from worker.rules.render import Message

_POLICY = policy.SMTP.clone(cte_type="7bit", max_line_length=990)
"""For the body. Every server takes 7 bits."""

_URL_CHARS = ":/?#[]@!$&'()*+,;=%~"


class Letter(Struct, frozen=True):
    """An e-mail, ready for SMTP."""

    sender: str
    """The bare address, as are the recipients'."""

    recipient: str
    content: bytes
    smtputf8: bool
    """Whether an address has more than ASCII before its @, which only a server with SMTPUTF8 takes."""


class Letters:
    """The e-mails of one channel. Raises ChannelError where an address in its settings is none."""

    def __init__(self, settings: EmailSettings) -> None:
        self._sender = _address("sender", settings.sender)
        self._to = _address("to", settings.to) if settings.to else None
        self._unsubscribe = settings.unsubscribe

    def of(self, message: Message) -> Letter | Dead:
        """The e-mail for a message; its end where its `to` is no address."""
        recipient = self.recipient(message)
        if isinstance(recipient, Dead):
            return recipient
        return letter(message, self._sender, recipient, unsubscribe=self._unsubscribe)

    def recipient(self, message: Message) -> MailAddress | Dead:
        """Whom it goes to; its end where its `to` is no address."""
        try:
            return address_of(message.to) if message.to or not self._to else self._to
        except AddressError as error:
            return Dead(reason="permanent", error=f"the rule's `to`: {error}", error_class="AddressError")


def letter(message: Message, sender: MailAddress, recipient: MailAddress, *, unsubscribe: str) -> Letter | Dead:
    """The e-mail for a message. Without a subject it has rule and event for one.

    The Message-ID is made of the idempotency key, so that it stays the same at every attempt and whoever keeps
    mail can tell a second copy. `unsubscribe`: see EmailSettings.
    """
    body = _body(message)
    head = [
        mailbox_header("From", sender.name, sender.addr_spec),
        mailbox_header("To", recipient.name, recipient.addr_spec),
        text_header("Subject", one_line(message.subject or f"{message.rule}: {message.event}")),
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Message-ID: <{message.key}@{sender.domain}>",
        *_unsubscribe(unsubscribe, recipient),
    ]
    content = "".join(f"{header}\r\n" for header in head).encode() + body.as_bytes()
    names = [header.partition(":")[0] for header in head] + body.keys()
    if not is_as_set(content[: content.index(b"\r\n\r\n") + 4], names):
        error = "its subject, `to` or unsubscribe address would add or break a header"
        return Dead(reason="permanent", error=error, error_class="HeaderError")
    smtputf8 = not (recipient.addr_spec.isascii() and sender.addr_spec.isascii())
    return Letter(sender.addr_spec, recipient.addr_spec, content, smtputf8)


def _body(message: Message) -> EmailMessage:
    """The MIME part with its own headers alone."""
    mail = EmailMessage(_POLICY)
    if message.text or not message.html:
        mail.set_content(_encodable(message.text))
    if message.text and message.html:
        mail.add_alternative(_encodable(message.html), subtype="html")
    elif message.html:
        mail.set_content(_encodable(message.html), subtype="html")
    return mail


def _unsubscribe(url: str, recipient: MailAddress) -> list[str]:
    if not url:
        return []
    url = quote(url.replace("{to}", quote(recipient.addr_spec, safe="")), safe=_URL_CHARS)
    header = f"List-Unsubscribe: <{url}>"  # not folded: some misread it then
    return [header, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if url.startswith("https:") else [header]


def _address(setting: str, text: str) -> MailAddress:
    try:
        return address_of(text)
    except AddressError as error:
        raise ChannelError(setting, f"not an address: {error}") from None


def _encodable(text: str) -> str:
    """Text that every server takes: no NUL, no carriage return alone, no lone surrogates (JSON can name them)."""
    text = re.sub("\r\n?", "\n", text).replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode()
