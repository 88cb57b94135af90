"""Composes the e-mail for a message. Pure."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

from worker.channels.email.address import AddressError, MailAddress, address_of
from worker.channels.email.body import body_of
from worker.channels.email.head import is_one_header, mailbox_header, one_line, text_header
from worker.channels.errors import ChannelError
from worker.channels.settings import EmailSettings
from worker.outcome import Dead
from worker.rules.render import Message

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
    head = [
        mailbox_header("From", sender.name, sender.addr_spec),
        mailbox_header("To", recipient.name, recipient.addr_spec),
        text_header("Subject", one_line(message.subject or f"{message.rule}: {message.event}")),
        f"Date: {_date(int(time.time()))}",
        f"Message-ID: <{message.key}@{sender.domain}>",
        *_unsubscribe(unsubscribe, recipient),
    ]
    if not all(map(is_one_header, head)):
        error = "its subject, `to` or unsubscribe address would add or break a header"
        return Dead(reason="permanent", error=error, error_class="HeaderError")
    content = "".join(f"{header}\r\n" for header in head).encode() + body_of(message.text, message.html)
    smtputf8 = not (recipient.addr_spec.isascii() and sender.addr_spec.isascii())
    return Mail(sender.addr_spec, recipient.addr_spec, content, smtputf8)


@lru_cache(maxsize=1)  # formatting takes as long as all the rest of an e-mail
def _date(at_s: int) -> str:
    return format_datetime(datetime.fromtimestamp(at_s, UTC))


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
