"""Sends notifications through the services that Apprise knows. Apprise is imported only when it is used."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from worker.channels.apprise_targets import goes_to, is_one_recipient, strings_of
from worker.channels.bounded_executor import BoundedExecutor, in_thread
from worker.channels.errors import ChannelError
from worker.channels.settings import AppriseSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

_TO = "{to}"
_SAMPLE_RECIPIENT = "4915112345678"
"""The recipient with which the channel's URL is checked."""

_STATUS = re.compile(r"\berror=(\d{3})\b")


class AppriseChannel:
    """A service, called in threads: Apprise blocks, and opens a connection for each notification.

    Raises ChannelError where Apprise is not installed or does not accept the URL.
    """

    def __init__(self, settings: AppriseSettings) -> None:
        self.retry = settings.retry
        self._apprise = installed()
        self._url, service = checked_url(self._apprise, settings)
        self._sample_strings = strings_of(service)
        self._timeout_s = settings.timeout_s
        self._executor = BoundedExecutor(settings.concurrency, timeout_s=settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """Send a message. Apprise does not return why a service refuses it, so every refusal is retried."""
        url = addressed(self._url, message)
        if isinstance(url, Dead):
            return url
        try:
            return await self._executor.run(in_thread(lambda: self._notify(url, message)))
        except TimeoutError:
            return Retry(error=f"not done within {self._timeout_s:g} s", error_class="TimeoutError")

    async def close(self) -> None:
        """Stop the timer: each notification has its own connection."""
        self._executor.close()

    def _notify(self, url: str, message: Message) -> Outcome:
        try:
            service = self._service(url, message)
            if isinstance(service, Dead):
                return service
            result = service.notify(body=message.text, title=message.subject, body_format="text")
        except Exception as error:  # noqa: BLE001 - an Apprise service may raise anything, with its URL in the text
            return Retry(error=f"Apprise failed: {type(error).__name__}", error_class=type(error).__name__)
        return Sent() if result else _refused(entry.message for entry in result.logs())

    def _service(self, url: str, message: Message) -> Any:
        """The service that sends to the message's `to` alone; Dead where no service does."""
        first = _instantiated(self._apprise, url)
        if first is None:
            return _address_error("Apprise accepts no URL with this `to`")
        if _TO in self._url:
            strings = strings_of(first) & strings_of(_instantiated(self._apprise, url))  # without random ones
            if not goes_to(message.to.strip(), strings, self._sample_strings):
                return _address_error("the service does not accept this `to` as one recipient")
        service = self._apprise.Apprise(asset=_asset(self._apprise))
        service.add(first)
        return service


def installed() -> Any:
    """Import Apprise, without its log, which shows tokens and recipients. Raises ChannelError."""
    try:
        apprise = importlib.import_module("apprise")
    except ImportError:
        raise ChannelError("kind", "Apprise is not installed: pip install 'hookline[apprise]'") from None
    logging.getLogger("apprise").propagate = False
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # at debug it shows each URL's path
    return apprise


def url_of(settings: AppriseSettings) -> str:
    """The channel's URL, in which `{to}` is not replaced yet."""
    return settings.url.reveal().decode("utf-8", "replace")


def addressed(url: str, message: Message) -> str | Dead:
    """The channel's URL with the message's `to` in it; Dead where the message has no valid recipient."""
    if not (message.text or message.subject):
        return Dead(reason="permanent", error="the rule gives neither text nor subject", error_class="Empty")
    if _TO not in url:
        return url
    to = message.to.strip()
    if not to:
        return _address_error("the rule's `to` is empty")
    if not is_one_recipient(to):
        return _address_error(
            "the rule's `to` is not one recipient: it contains white space or one of , ; | / \\ % < >"
        )
    return url.replace(_TO, quote(to, safe=""))


def checked_url(apprise: Any, settings: AppriseSettings) -> tuple[str, Any]:
    """The URL and its Apprise service. Raises ChannelError, whose message does not show the URL."""
    url = url_of(settings)
    try:
        service = _instantiated(apprise, url.replace(_TO, _SAMPLE_RECIPIENT))
    except Exception:  # noqa: BLE001 - see _notify
        service = None
    if service is None:
        raise ChannelError("url", "Apprise does not accept this URL: see its list of services and their URLs")
    return url, service


def _instantiated(apprise: Any, url: str) -> Any:
    """The service of a URL; None where Apprise does not accept it."""
    return apprise.Apprise.instantiate(url, asset=_asset(apprise))


def _address_error(error: str) -> Dead:
    return Dead(reason="permanent", error=error, error_class="AddressError")


def _asset(apprise: Any) -> Any:
    # Without time-out and async_mode Apprise stays in the calling thread. Threads of its own would keep the
    # process from ending.
    return apprise.AppriseAsset(app_id="Hookline", async_mode=False, service_timeout=0, secure_logging=True)


def _refused(logged: Iterable[str]) -> Retry:
    """The outcome by the status in Apprise's log. The rest of the log may contain tokens and recipients."""
    statuses = [match[1] for match in map(_STATUS.search, logged) if match]
    if statuses:
        return Retry(error=f"the service answered {statuses[-1]}", error_class=f"Http{statuses[-1]}")
    return Retry(error="the service could not be reached or refused it", error_class="AppriseFailure")
