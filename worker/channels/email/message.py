"""Composes the e-mail for a message. Pure."""

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
"""The policy of the body. Every server accepts 7 bits."""

_URL_CHARS = ":/?#[]@!$&'()*+,;=%~"


class Mail(Struct, frozen=True):
    """An e-mail, ready for SMTP."""

    sender: str
    """The bare address, without a display name."""

    recipient: str
    """The bare address, without a display name."""

    content: bytes
    smtputf8: bool
    """An address has more than ASCII before its @, which needs a server with SMTPUTF8."""


class MailComposer:
    """Composes the e-mails of one channel. Raises ChannelError where an address in its settings is invalid."""

    def __init__(self, settings: EmailSettings) -> None:
        self._sender = _address("sender", settings.sender)
        self._to = _address("to", settings.to) if settings.to else None
        self._unsubscribe = settings.unsubscribe

    def compose(self, message: Message) -> Mail | Dead:
        """The e-mail for a message; Dead where its `to` is not an address."""
        recipient = self.recipient(message)
        if isinstance(recipient, Dead):
            return recipient
        return compose(message, self._sender, recipient, unsubscribe=self._unsubscribe)

    def recipient(self, message: Message) -> MailAddress | Dead:
        """The recipient of a message; Dead where its `to` is not an address."""
        try:
            return address_of(message.to) if message.to or not self._to else self._to
        except AddressError as error:
            return Dead(reason="permanent", error=f"the rule's `to`: {error}", error_class="AddressError")


def compose(message: Message, sender: MailAddress, recipient: MailAddress, *, unsubscribe: str) -> Mail | Dead:
    """The e-mail for a message.

    Without a subject, its subject is rule and event; unsubscribe: see EmailSettings.
    """
    # The Message-ID depends on the idempotency key alone, so that mail programs can recognize a second copy.
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
    return Mail(sender.addr_spec, recipient.addr_spec, content, smtputf8)


def _body(message: Message) -> EmailMessage:
    """The MIME part with its own headers only."""
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
    header = f"List-Unsubscribe: <{url}>"  # not folded, since some mail programs misread it then
    return [header, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if url.startswith("https:") else [header]


def _address(setting: str, text: str) -> MailAddress:
    try:
        return address_of(text)
    except AddressError as error:
        raise ChannelError(setting, f"not an address: {error}") from None


def _encodable(text: str) -> str:
    """Text that every server accepts: without NUL, single carriage returns and lone surrogates."""
    text = re.sub("\r\n?", "\n", text).replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode()
