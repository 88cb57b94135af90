"""Sends notifications as e-mails over SMTP."""

from __future__ import annotations

import re

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPStatus,
)

from worker.channels.email.message import Mail, MailComposer
from worker.channels.email.smtp_pool import OpeningError, Pool
from worker.channels.settings import EmailSettings
from worker.channels.shared_timeout import SharedTimeout
from worker.http.client import certificate_error
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

_LOGIN_WANTED = frozenset({530, 534, 535, 538})
"""Answers about the login (RFC 4954), which do not depend on the e-mail."""

_PASSING = re.compile(
    r"5\.(2\.2|4\.5)\b|5\.7\.\d+\b.*?(\brate\b|\bthrottl|\btoo many\b)", re.IGNORECASE | re.DOTALL
)
"""5xx answers that may pass, by their enhanced code (RFC 3463): full mailbox, quota, rate limit."""

_HAS_CODE = re.compile(r"\d\.\d{1,3}\.\d{1,3}\b")
_SHOWN_ANSWER = 200
_FULL = 552
"""The server has no storage left (RFC 5321)."""

_LEAVING = 421
"""The server closes the connection (RFC 5321)."""


class EmailChannel:
    """A SMTP server. Keeps its connections; each carries one e-mail at a time.

    Must be created in the running event loop. Raises ChannelError for settings that cannot work.
    """

    def __init__(self, settings: EmailSettings) -> None:
        self.retry = settings.retry
        self._composer = MailComposer(settings)
        self._pool = Pool(settings)
        self._timeout = SharedTimeout(settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """Send a message to its `to`. 4xx answers and errors that may pass are retried, 5xx are permanent."""
        mail = self._composer.compose(message)
        if isinstance(mail, Dead):
            return mail
        try:
            with self._timeout:
                await self._deliver(mail)
        except TimeoutError:
            return Retry(error=f"not accepted within {self._timeout.s:g} s", error_class="TimeoutError")
        except OpeningError as error:
            return _unopened(error.cause)
        except (SMTPException, OSError) as error:
            return _failed(error)
        return Sent()

    async def close(self) -> None:
        """Close the idle connections with QUIT."""
        self._timeout.close()
        await self._pool.close()

    async def _deliver(self, mail: Mail) -> None:
        connection = await self._connection_for(mail)
        try:
            await _address_to(connection, mail.recipient)
            await connection.data(mail.content, timeout=None)
        except SMTPResponseException:
            self._pool.give_back(connection, is_clean=False)
            raise
        except BaseException:
            connection.close()
            raise
        self._pool.give_back(connection)

    async def _connection_for(self, mail: Mail) -> SMTP:
        """A connection on which the e-mail is begun; where an idle connection turns out closed, another one."""
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


async def _begin(connection: SMTP, mail: Mail) -> None:
    if mail.smtputf8 and not connection.supports_extension("smtputf8"):
        raise SMTPNotSupported("an address has more than ASCII before its @, which this server does not support")
    options = [b"SMTPUTF8"] if mail.smtputf8 else []
    # Not `mail` and `rcpt` of aiosmtplib, which parse the address again and set a timer for each answer.
    code, text = await connection.execute_command(
        b"MAIL", b"FROM:<%b>" % mail.sender.encode(), *options, timeout=None
    )
    if code != SMTPStatus.completed:
        raise SMTPSenderRefused(code, text, mail.sender)


async def _address_to(connection: SMTP, recipient: str) -> None:
    code, text = await connection.execute_command(b"RCPT", b"TO:<%b>" % recipient.encode(), timeout=None)
    if code not in {SMTPStatus.completed, SMTPStatus.will_forward}:
        raise SMTPRecipientRefused(code, text, recipient)


def _unopened(error: Exception) -> Outcome:
    """The outcome where no connection could be opened.

    A refused login is lasting; a bad certificate may be replaced.
    """
    text, answer, error_class = certificate_error(error) or _text(error), _answer(error), type(error).__name__
    if _is_final(error) or _is_unsupported(error):
        return Dead(reason="misconfigured", error=text, error_class=error_class, answer=answer)
    return Retry(error=text, error_class=error_class, answer=answer)


def _is_unsupported(error: Exception) -> bool:
    """Return whether the server offers no STARTTLS or no login, by aiosmtplib's error."""
    return isinstance(error, SMTPNotSupported) or type(error) is SMTPException


def _failed(error: Exception) -> Outcome:
    """The outcome of an e-mail that was not accepted."""
    text, answer, error_class = _text(error), _answer(error), type(error).__name__
    if isinstance(error, SMTPNotSupported):
        return Dead(reason="permanent", error=text, error_class=error_class)
    if not isinstance(error, SMTPResponseException) or not _is_final(error):
        return Retry(error=text, error_class=error_class, answer=answer)
    reason = "misconfigured" if error.code in _LOGIN_WANTED else "permanent"
    return Dead(reason=reason, error=text, error_class=error_class, answer=answer)


def _is_final(error: Exception) -> bool:
    """Return whether it is a 5xx answer that another attempt does not change."""
    if not isinstance(error, SMTPResponseException) or error.code < 500:
        return False
    is_full = error.code == _FULL and not _HAS_CODE.match(error.message)
    return not is_full and not _PASSING.match(error.message)


def _text(error: Exception) -> str:
    """The error for the log. The server's answer may quote the recipient, so it is not included."""
    if isinstance(error, SMTPResponseException):
        return f"the server answered {error.code}" if error.code > 0 else "the server's answer is not SMTP"
    return str(error) or type(error).__name__


def _answer(error: Exception) -> str:
    """The server's answer, for the dead letter."""
    return error.message[:_SHOWN_ANSWER] if isinstance(error, SMTPResponseException) else ""
