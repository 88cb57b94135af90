"""Messages and locks that are made of the keys which templates read."""

import pytest

from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from sources import KINDS
from tests.sources.payloads import POINTS_ADDED
from worker.delivery.message_builder import MessageBuilder
from worker.outcome import Dead
from worker.rules.render import Message, Renderer, RenderError
from worker.rules.rules import Rule

VOUCHERIFY = KINDS["voucherify"]
BODY = RawBody(0, "voucherify", "", VOUCHERIFY.sample(1, POINTS_ADDED))
ALL_KEYS = "; the keys are 'balance', 'campaign', 'customer', 'transaction', 'voucher'"


def builder(**parts: str) -> MessageBuilder:
    rule = Rule(name="r", events=("*",), channel="c", **parts)  # type: ignore[arg-type]
    return MessageBuilder({"voucherify": VOUCHERIFY}, Renderer([rule]), max_future_s=1e9)


def notification() -> Notification:
    return Notification("key", "r", POINTS_ADDED, BODY)


def test_a_message_is_made_of_the_keys_that_the_rule_reads() -> None:
    made = builder(text="{{ data.balance.points }}", when="customer", key="{{ data.transaction.id }}")
    message = made.message_if_wanted(notification(), attempt=1)
    assert isinstance(message, Message)
    assert (message.text, dict(message.data)) == ("40", VOUCHERIFY.view(BODY.body))


@pytest.mark.parametrize("part", ["text", "when", "key"])
def test_the_error_of_a_missing_field_lists_all_keys(part: str) -> None:
    template = "data.absent" if part == "when" else "{{ data.absent }}"
    dead = builder(**{"text": "{{ data.balance.points }}", part: template})
    try:
        outcome = dead.message_if_wanted(notification(), attempt=1)
    except RenderError as error:
        outcome = Dead(reason="render", error=str(error), error_class="RenderError")
    assert isinstance(outcome, Dead)
    assert "'dict object' has no attribute 'absent'" + ALL_KEYS in outcome.error


def test_the_subject_of_latest_only_is_read_from_its_keys_and_its_error_lists_all_of_them() -> None:
    one, other = (
        builder(latest_only=place).lock(notification(), "c") for place in ("data.voucher.id", "voucher.id")
    )
    assert one is not None
    assert one == other
    with pytest.raises(RenderError, match=ALL_KEYS):
        builder(latest_only="data.absent").lock(notification(), "c")
