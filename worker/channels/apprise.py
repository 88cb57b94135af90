"""Sends notifications by the services that Apprise knows. Apprise itself is imported only where it is used."""

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
_ANOTHER = "4915112345678"
"""A recipient to look at the channel's URL with before there is any."""

_STATUS = re.compile(r"\berror=(\d{3})\b")


class AppriseChannel:
    """One service, in threads: Apprise blocks, and opens a connection for each notification.

    Raises ChannelError where Apprise is not installed or does not take the URL.
    """

    def __init__(self, settings: AppriseSettings) -> None:
        self.retry = settings.retry
        self._apprise = installed()
        self._url, service = checked_url(self._apprise, settings)
        self._others = strings_of(service)
        self._timeout_s = settings.timeout_s
        self._executor = BoundedExecutor(settings.concurrency, timeout_s=settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """Send it. Apprise does not tell why a service refuses, so every refusal is tried again."""
        url = addressed(self._url, message)
        if isinstance(url, Dead):
            return url
        try:
            return await self._executor.run(in_thread(lambda: self._notify(url, message)))
        except TimeoutError:
            return Retry(error=f"not done within {self._timeout_s:g} s", error_class="TimeoutError")

    async def close(self) -> None:
        """Nothing to close: each notification has its own connection."""

    def _notify(self, url: str, message: Message) -> Outcome:
        try:
            service = self._service(url, message)
            if isinstance(service, Dead):
                return service
            result = service.notify(body=message.text, title=message.subject, body_format="text")
        except Exception as error:  # noqa: BLE001 - a service of Apprise's may raise anything, its URL in the text
            return Retry(error=f"Apprise failed: {type(error).__name__}", error_class=type(error).__name__)
        return Sent() if result else _refused(entry.message for entry in result.logs())

    def _service(self, url: str, message: Message) -> Any:
        """The service that sends to the message's `to` alone; the message's end where there is none."""
        made, again = (_instantiated(self._apprise, url) for _ in range(2))
        if made is None or again is None:
            return _not_for("Apprise takes no URL with this `to`")
        held = strings_of(made) & strings_of(again)  # without what is made anew each time
        if _TO in self._url and not goes_to(message.to.strip(), held, self._others):
            return _not_for("the service does not take this `to` as one recipient")
        service = self._apprise.Apprise(asset=_asset(self._apprise))
        service.add(made)
        return service


def installed() -> Any:
    """Apprise, its log kept to itself: it shows tokens and recipients. Raises ChannelError."""
    try:
        apprise = importlib.import_module("apprise")
    except ImportError:
        raise ChannelError("kind", "Apprise is not installed: pip install 'hookline[apprise]'") from None
    logging.getLogger("apprise").propagate = False
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # at debug it shows each URL's path
    return apprise


def url_of(settings: AppriseSettings) -> str:
    """The channel's URL, `{to}` and all."""
    return settings.url.reveal().decode("utf-8", "replace")


def addressed(url: str, message: Message) -> str | Dead:
    """The channel's URL with the message's `to` in it; the message's end where it cannot go anywhere."""
    if not (message.text or message.subject):
        return Dead(reason="permanent", error="the rule gives neither text nor subject", error_class="Empty")
    if _TO not in url:
        return url
    to = message.to.strip()
    if not to:
        return _not_for("the rule's `to` is empty")
    if not is_one_recipient(to):
        return _not_for("the rule's `to` is not one recipient: it holds white space or one of , ; | / \\ % < >")
    return url.replace(_TO, quote(to, safe=""))


def checked_url(apprise: Any, settings: AppriseSettings) -> tuple[str, Any]:
    """The URL, and what Apprise makes of it. Raises ChannelError, whose message does not show it."""
    url = url_of(settings)
    try:
        service = _instantiated(apprise, url.replace(_TO, _ANOTHER))
    except Exception:  # noqa: BLE001 - see _notify
        service = None
    if service is None:
        raise ChannelError(
            "url", "Apprise does not know or take this URL: see its list of services and their URLs"
        )
    return url, service


def _instantiated(apprise: Any, url: str) -> Any:
    """The service of a URL; None for none."""
    return apprise.Apprise.instantiate(url, asset=_asset(apprise))


def _not_for(error: str) -> Dead:
    return Dead(reason="permanent", error=error, error_class="AddressError")


def _asset(apprise: Any) -> Any:
    # Without time-out and async_mode it stays in our thread; its own threads would keep the process from ending.
    return apprise.AppriseAsset(app_id="Hookline", async_mode=False, service_timeout=0, secure_logging=True)


def _refused(logged: Iterable[str]) -> Retry:
    """Of what Apprise logged only the status is told: the rest may hold tokens and recipients."""
    statuses = [found[1] for found in map(_STATUS.search, logged) if found]
    if statuses:
        return Retry(error=f"the service answered {statuses[-1]}", error_class=f"Http{statuses[-1]}")
    return Retry(error="the service could not be reached or refused it", error_class="AppriseFailure")
