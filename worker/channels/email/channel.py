"""Sends notifications as e-mails over SMTP."""

from __future__ import annotations

import asyncio
import re

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
)

from worker.channels.email.message import Letter, Letters
from worker.channels.email.smtp_pool import OpeningError, Pool
from worker.channels.settings import EmailSettings
from worker.http.client import certificate_error
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

_LOGIN_WANTED = frozenset({530, 534, 535, 538})
"""Answers about our login (RFC 4954), which no e-mail can help."""

_PASSING = re.compile(
    r"5\.(2\.2|4\.5)\b|5\.7\.\d+\b.*?(\brate\b|\bthrottl|\btoo many\b)", re.IGNORECASE | re.DOTALL
)
"""5xx that another try may change, by the enhanced code (RFC 3463): a full mailbox, a used-up quota, a rate."""

_HAS_CODE = re.compile(r"\d\.\d{1,3}\.\d{1,3}\b")
_SHOWN_ANSWER = 200
_FULL = 552
"""Its storage is used up (RFC 5321)."""

_LEAVING = 421
"""The server closes the connection (RFC 5321)."""


class EmailChannel:
    """One SMTP server. Keeps its connections; each e-mail has one to itself.

    Raises ChannelError for settings that cannot work.
    """

    def __init__(self, settings: EmailSettings) -> None:
        self.retry = settings.retry
        self._letters = Letters(settings)
        self._timeout_s = settings.timeout_s
        self._pool = Pool(settings)

    async def send(self, message: Message) -> Outcome:
        """Send it to its `to`. 4xx and whatever may pass is tried again, 5xx is permanent."""
        mail = self._letters.of(message)
        if isinstance(mail, Dead):
            return mail
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._deliver(mail)
        except TimeoutError:
            return Retry(error=f"not taken within {self._timeout_s:g} s", error_class="TimeoutError")
        except OpeningError as error:
            return _unopened(error.cause)
        except (SMTPException, OSError) as error:
            return _failed(error)
        return Sent()

    async def close(self) -> None:
        """Say goodbye on the idle connections."""
        await self._pool.close()

    async def _deliver(self, mail: Letter) -> None:
        connection = await self._begun(mail)
        try:
            await connection.rcpt(mail.recipient, encoding="utf-8")
            await connection.data(mail.content)
        except SMTPResponseException:
            self._pool.give_back(connection, is_clean=False)
            raise
        except BaseException:
            connection.close()
            raise
        self._pool.give_back(connection)

    async def _begun(self, mail: Letter) -> SMTP:
        """A connection on which the e-mail is begun. One that was idle may turn out dead: then another."""
        while True:
            connection, fresh = await self._pool.take()
            try:
                await _begin(connection, mail)
            except SMTPResponseException as error:
                self._pool.give_back(connection, is_clean=False)
                if fresh or error.code != _LEAVING:
                    raise
            except ConnectionError:
                connection.close()
                if fresh:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return connection


async def _begin(connection: SMTP, mail: Letter) -> None:
    if mail.smtputf8 and not connection.supports_extension("smtputf8"):
        raise SMTPNotSupported("an address has more than ASCII before its @, which this server does not take")
    await connection.mail(mail.sender, options=["SMTPUTF8"] if mail.smtputf8 else [], encoding="utf-8")


def _unopened(error: Exception) -> Outcome:
    """A connection that could not be opened. Refused logins stay as they are; certificates may be mended there."""
    text, answer, error_class = certificate_error(error) or _told(error), _answer(error), type(error).__name__
    if _is_final(error) or _is_lacking(error):
        return Dead(reason="misconfigured", error=text, error_class=error_class, answer=answer)
    return Retry(error=text, error_class=error_class, answer=answer)


def _is_lacking(error: Exception) -> bool:
    """aiosmtplib says so where the server offers no STARTTLS or no login."""
    return isinstance(error, SMTPNotSupported) or type(error) is SMTPException


def _failed(error: Exception) -> Outcome:
    """An e-mail that was not taken."""
    text, answer, error_class = _told(error), _answer(error), type(error).__name__
    if isinstance(error, SMTPNotSupported):
        return Dead(reason="permanent", error=text, error_class=error_class)
    if not isinstance(error, SMTPResponseException) or not _is_final(error):
        return Retry(error=text, error_class=error_class, answer=answer)
    reason = "misconfigured" if error.code in _LOGIN_WANTED else "permanent"
    return Dead(reason=reason, error=text, error_class=error_class, answer=answer)


def _is_final(error: Exception) -> bool:
    """Whether it is a 5xx that no other try changes."""
    if not isinstance(error, SMTPResponseException) or error.code < 500:
        return False
    is_full = error.code == _FULL and not _HAS_CODE.match(error.message)
    return not is_full and not _PASSING.match(error.message)


def _told(error: Exception) -> str:
    """What happened, for the log: a server's own words may quote the recipient."""
    if isinstance(error, SMTPResponseException):
        return f"the server answered {error.code}" if error.code > 0 else "the server's answer is not SMTP"
    return str(error) or type(error).__name__


def _answer(error: Exception) -> str:
    """The server's own words, for the dead letter."""
    return error.message[:_SHOWN_ANSWER] if isinstance(error, SMTPResponseException) else ""
