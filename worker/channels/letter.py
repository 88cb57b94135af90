"""Message -> the e-mail that carries it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.errors import NonASCIILocalPartDefect
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from worker.channels.errors import ChannelError
from worker.channels.settings import EmailSettings
from worker.outcome import Dead
from worker.render import Message

_POLICY = policy.SMTP.clone(cte_type="7bit", max_line_length=990)
"""Every server takes 7 bits. A folded List-Unsubscribe or Message-ID is misread by some, so lines may be long."""

_HEADERS: Any = policy.SMTP


class AddressError(ValueError):
    """It is no address of one recipient. The message does not show it."""


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

    def recipient(self, message: Message) -> Address | Dead:
        """Whom it goes to; its end where its `to` is no address."""
        try:
            return address_of(message.to) if message.to or not self._to else self._to
        except AddressError as error:
            return Dead(reason="permanent", error=f"the rule's `to`: {error}", error_class="AddressError")


def address_of(text: str) -> Address:
    """The one address in `shop@example.com` or `The Shop <shop@example.com>`, its domain in ASCII.

    Raises AddressError.
    """
    text = text.strip()
    if not text:
        raise AddressError("it is empty")
    if not text.isprintable():
        raise AddressError("it has a line break or another control character")
    try:
        header = _HEADERS.header_factory("To", text)
        (found,) = header.addresses
        domain = found.domain.encode("idna").decode()
    except Exception:  # noqa: BLE001 - the parser of the standard library fails in many ways on what is no address
        raise AddressError("it is not one address like name@example.com") from None
    odd = [defect for defect in header.defects if not isinstance(defect, NonASCIILocalPartDefect)]
    if odd or not found.username or not domain or any(char.isspace() for char in found.addr_spec):
        raise AddressError("it is not one address like name@example.com")
    return Address(found.display_name, found.username, domain)


def letter(message: Message, sender: Address, recipient: Address, *, unsubscribe: str) -> Letter:
    """The e-mail for a message. Without a subject it has rule and event for one.

    The Message-ID is made of the idempotency key, so that it stays the same at every attempt and whoever keeps
    mail can tell a second copy. `unsubscribe`: see EmailSettings.
    """
    mail = EmailMessage(_POLICY)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = _one_line(message.subject or f"{message.rule}: {message.event}")
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<{message.key}@{sender.domain}>"
    if unsubscribe:
        mail["List-Unsubscribe"] = f"<{unsubscribe.replace('{to}', quote(recipient.addr_spec, safe=''))}>"
    if unsubscribe.startswith("https:"):
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if message.text or not message.html:
        mail.set_content(_encodable(message.text))
    if message.text and message.html:
        mail.add_alternative(_encodable(message.html), subtype="html")
    elif message.html:
        mail.set_content(_encodable(message.html), subtype="html")
    smtputf8 = not (recipient.addr_spec.isascii() and sender.addr_spec.isascii())
    content = mail.as_bytes(policy=_POLICY.clone(utf8=smtputf8))
    return Letter(sender.addr_spec, recipient.addr_spec, content, smtputf8)


def _address(setting: str, text: str) -> Address:
    try:
        return address_of(text)
    except AddressError as error:
        raise ChannelError(setting, f"not an address: {error}") from None


def _one_line(text: str) -> str:
    return _encodable(" ".join("".join(char if char.isprintable() else " " for char in text).split()))


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON can name and nothing can encode."""
    return text.encode("utf-8", "replace").decode()
