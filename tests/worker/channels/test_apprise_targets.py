"""A rule's `to` stays one recipient, however an Apprise service splits it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sources.secret import Secret
from tests.worker.channels import apprise_services
from worker.channels.apprise import AppriseChannel, _asset, addressed, installed
from worker.channels.apprise_targets import is_one_recipient
from worker.channels.errors import ChannelError
from worker.channels.settings import AppriseSettings
from worker.outcome import Dead
from worker.rules.render import Message

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

TWILIO = f"twilio://AC{'a' * 32}:{'b' * 32}@15557654321"
MAIL = "mailto://u:p@smtp.example.com"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/{to}"
SENDGRID = "sendgrid://SG.abcdefghij:from@example.com/{to}"
SES = "ses://f@example.com/AKIAIOSFODNN7EXAMPLE/wJalrXUtnFEMI/us-east-1/{to}"
VONAGE = f"vonage://{'a' * 8}:{'b' * 16}@15557654321"
PUSHOVER = f"pover://{'u' * 30}@{'a' * 30}/{{to}}"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def message(to: str) -> Message:
    return Message(key="k", rule="r", source="s", event="e", text="t", data={}, to=to)


async def service_for(url: str, to: str) -> Any:
    """Return the service that would send the notification, or Dead without one."""
    try:
        channel = AppriseChannel(AppriseSettings(url=Secret(url)))
    except ChannelError as error:
        return error
    made = addressed(channel._url, message(to))
    return made if isinstance(made, Dead) else channel._service(made, message(to))


@pytest.mark.parametrize(
    ("url", "to"),
    [
        (TWILIO + "/{to}", "+4915111111111"),
        (TWILIO + "?to={to}", "4915111111111"),
        (MAIL + "/{to}", "ada@example.com"),
        (MAIL + "?to={to}", "ada.b+tag@example.com"),
        (SLACK, "#general"),
        (SLACK, "@ada"),
        (SENDGRID, "ada@example.com"),
        (SES, "ada@example.com"),
        (VONAGE + "/{to}", "+4915111111111"),
        (VONAGE + "/?to={to}", "4915111111111"),
        (PUSHOVER, "dev1"),
        ("voipms://secret:from@example.com/15557654321/{to}", "+12125550123"),
        ("json://localhost/{to}", "anything:at-all"),
    ],
)
async def test_one_recipient_is_accepted(url: str, to: str) -> None:
    assert not isinstance(await service_for(url, to), Dead | ChannelError)


@pytest.mark.parametrize(
    ("url", "to"),
    [
        (TWILIO + "/{to}", "+4915111111111 +4915122222222"),
        (TWILIO + "/{to}", "+4915111111111/+4915122222222"),
        (TWILIO + "/{to}", "+4915111111111%2C+4915122222222"),
        (TWILIO + "?to={to}", "+4915111111111 +4915122222222"),
        (TWILIO + "?to={to}", "+4915111111111%2C+4915122222222"),
        (TWILIO + "?to={to}", "+4915111111111%20+4915122222222"),
        (TWILIO + "?to={to}", "+4915111111111+4915122222222"),
        (TWILIO + "?to={to}", "+4915111111111(+4915122222222"),
        (MAIL + "/{to}", "a@b.com evil@x.com"),
        (MAIL + "/{to}", "a@b.com%20evil@x.com"),
        (MAIL + "?to={to}", "a@b.com evil@x.com"),
        (MAIL + "?to={to}", "a@b.com/evil@x.com"),
        (MAIL + "?to={to}", "a@b.com|evil@x.com"),
        (MAIL + "?to={to}", "a@b.com\u00a0evil@x.com"),
        (MAIL + "?to={to}", "a@b.com\u200bevil@x.com"),
        (SLACK, "#a #b"),
        (SENDGRID, "a@b.com evil@x.com"),
        (SES, "a@b.com evil@x.com"),
        (VONAGE + "/?to={to}", "4915111111111 4915122222222"),
        (VONAGE + "/{to}", "4915111111111/4915122222222"),
        (PUSHOVER, "dev1 dev2"),
    ],
)
async def test_two_recipients_are_refused(url: str, to: str) -> None:
    assert isinstance(await service_for(url, to), Dead)


@pytest.mark.parametrize("to", ["absent", "ada@example.com", "12", "+49-none"])
async def test_a_recipient_that_a_service_would_replace_is_refused(to: str) -> None:
    """Twilio's service sends to its own number if it finds no other one."""
    outcome = await service_for(TWILIO + "/{to}", to)
    assert isinstance(outcome, Dead)
    assert outcome.error == "the service does not accept this `to` as one recipient"


@pytest.mark.parametrize(
    "to", ["a b", "a,b", "a;b", "a|b", "a/b", "a\\b", "a%2Cb", "a\tb", "a\u2028b", "a\ufeffb", "<a>", ""]
)
def test_separators_of_recipients_are_detected_before_a_service_is_used(to: str) -> None:
    assert not is_one_recipient(to)


async def test_every_service_accepts_one_recipient_and_never_two() -> None:
    apprise = installed()
    pairs = [("+4915111111111", "+4915122222222"), ("ada@example.com", "eve@example.org"), ("dev1", "dev2")]
    services, without = 0, []
    for name, url in apprise_services.urls(apprise, _asset(apprise)):
        try:
            channel = AppriseChannel(AppriseSettings(url=Secret(url)))
        except ChannelError:
            continue
        services += 1
        if not any(is_service(channel, to) for to in apprise_services.RECIPIENTS):
            without.append(name)
        for first, second in pairs:
            for separator in ("+", "(", ":", "&"):
                assert not holds_both(channel, first, second, separator), (name, first, separator, second)
    assert services > 80
    assert not without


def is_service(channel: AppriseChannel, to: str) -> bool:
    made = addressed(channel._url, message(to))
    try:
        return not isinstance(made, Dead) and not isinstance(channel._service(made, message(to)), Dead)
    except Exception:  # noqa: BLE001 - tried again by the channel
        return False


def holds_both(channel: AppriseChannel, first: str, second: str, separator: str) -> bool:
    to = f"{first}{separator}{second}"
    if not is_service(channel, to):
        return False
    url = addressed(channel._url, message(to))
    held = vars(channel._apprise.Apprise.instantiate(url, asset=_asset(channel._apprise)))
    lists = [list(map(str, value)) for value in held.values() if isinstance(value, list | tuple | set)]
    return any(len(values) > 1 and {first, second} & set(values) for values in lists)
