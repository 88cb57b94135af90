"""Messages that are rendered before their sends start."""

import time

import pytest

from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from worker.delivery.prerender import Prerender
from worker.rules.render import Message, RenderError


def notification(number: int) -> Notification:
    return Notification(f"key-{number}", "rule", "event", RawBody(0, "source", "", b"{}"))


def message(of: Notification) -> Message:
    return Message(key=of.key, rule=of.rule, source="source", event=of.event, text="", data={})


class Making:
    """Makes messages, and records for which notifications."""

    def __init__(self, *, takes_s: float = 0.0, fails: int = -1) -> None:
        self.made: list[str] = []
        self._takes_s = takes_s
        self._fails = f"key-{fails}"

    def __call__(self, of: Notification) -> Message:
        self.made.append(of.key)
        until = time.monotonic() + self._takes_s
        while time.monotonic() < until:
            pass
        if of.key == self._fails:
            raise RenderError("no text")
        return message(of)


def ahead(making: Making, count: int) -> Prerender:
    return Prerender(making, ((number, notification(number)) for number in range(count)))


def test_prerendered_messages_equal_messages_rendered_alone_in_any_order() -> None:
    messages = ahead(Making(), 5)
    assert [messages.take(number) for number in (3, 0, 4, 1, 2)] == [
        message(notification(number)) for number in (3, 0, 4, 1, 2)
    ]


def test_the_following_messages_are_rendered_with_the_first() -> None:
    making = Making()
    messages = ahead(making, 3)
    messages.take(0)
    assert making.made == ["key-0", "key-1", "key-2"]


def test_prerendering_stops_after_its_time_limit() -> None:
    making = Making(takes_s=0.003)
    messages = ahead(making, 64)
    messages.take(0)
    assert making.made == ["key-0"]
    messages.take(1)
    assert making.made == ["key-0", "key-1"]


def test_a_render_error_is_reported_for_its_own_message_only() -> None:
    messages = ahead(Making(fails=1), 3)
    assert messages.take(0).key == "key-0"
    with pytest.raises(RenderError, match="no text"):
        messages.take(1)
    assert messages.take(2).key == "key-2"
