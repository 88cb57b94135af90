"""Bodies that are forms: shown as their parameters, masked as JSON is, and written as a form again."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.queue.batch import RawBody
from inspector.operations.single_letter import parse_edited_body
from inspector.presentation.error_location import locate_error
from inspector.privacy.masking import DEFAULT, MASK, Masking
from inspector.privacy.person import Person
from inspector.privacy.readable_body import as_written, is_form, value_of
from sources import KINDS

TWILIO = urlencode(
    {
        "MessageSid": "SM0123456789abcdef0123456789abcdef",
        "MessageStatus": "undelivered",
        "From": "+14158675309",
        "To": "whatsapp:+491701234567",
        "FromCity": "Oakland",
        "ProfileName": "Ada Novak",
        "WaId": "491701234567",
        "Body": "Ada Novak, ada@example.com",
        "ErrorCode": "30003",
    }
).encode()

SLACK = urlencode(
    {
        "payload": json.dumps(
            {
                "type": "block_actions",
                "user": {"id": "U1", "username": "ada.novak", "name": "Ada Novak"},
                "response_url": "https://hooks.slack.com/actions/T1/2/x",
                "actions": [{"action_id": "approve", "value": "Ada Novak asks"}],
            }
        )
    }
).encode()


def test_the_parameters_of_a_form_are_masked_by_key_form_and_value() -> None:
    assert DEFAULT.body(TWILIO) == {
        "MessageSid": "SM0123456789abcdef0123456789abcdef",
        "MessageStatus": "undelivered",
        "From": MASK,
        "To": f"whatsapp:+{MASK}",
        "FromCity": MASK,
        "ProfileName": MASK,
        "WaId": MASK,
        "Body": f"{MASK}, {MASK}",
        "ErrorCode": "30003",
    }


def test_json_in_a_form_is_masked_inside() -> None:
    assert DEFAULT.body(SLACK) == {
        "payload": {
            "type": "block_actions",
            "user": {"id": "U1", "username": MASK, "name": MASK},
            "response_url": MASK,
            "actions": [{"action_id": "approve", "value": f"{MASK} asks"}],
        }
    }


def test_errors_of_a_form_are_masked_by_what_it_hides() -> None:
    assert DEFAULT.texts_of(TWILIO)("no customer Ada Novak in OAKLAND") == f"no customer {MASK} in {MASK}"


def test_masked_paths_reach_into_a_form() -> None:
    assert Masking(["ErrorCode"]).body(TWILIO)["ErrorCode"] == MASK


def test_a_form_is_shown_as_its_parameters_with_and_without_masking() -> None:
    masked, revealed = (locate_error(TWILIO, "$", masking=masking) for masking in (DEFAULT, None))
    assert (masked.form, revealed.form) == ("form", "form")
    shown, whole = ("\n".join(line.text for line in body.lines) for body in (masked, revealed))
    assert "Novak" not in shown
    assert '"ProfileName": "Ada Novak"' in whole


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b'{"name":"Ada', b"Ada Novak", b"a&b", b"=x", b"a=1\nb=2", b'a="x"', b"a=<b>", b"a=\xff"),
        *(b"a=%FF", b"&a=1", b"a=1&", b"&".join([b"a=1"] * 1001)),
    ],
)
def test_what_is_no_form_is_hidden(body: bytes) -> None:
    with pytest.raises(ValueError):
        value_of(body)
    assert locate_error(body, "", masking=DEFAULT).form == "hidden"


def test_json_is_no_form() -> None:
    assert [is_form(body) for body in (b"7", b'"a=b"', b"null", b'{"a":"b=c"}')] == [False] * 4


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.text(max_size=8) | st.lists(st.text(), min_size=2, max_size=3),
        min_size=1,
    )
)
def test_a_value_is_written_as_the_form_that_it_was_read_from(form: dict[str, Any]) -> None:
    body = urlencode(form, doseq=True).encode()
    assert value_of(as_written(value_of(body), body)) == value_of(body)


def test_a_masked_interaction_is_still_one() -> None:
    written = as_written(DEFAULT.body(SLACK), SLACK)
    assert value_of(written) == DEFAULT.body(SLACK)
    assert is_form(written)


def test_a_form_can_be_edited() -> None:
    assert parse_edited_body("To=%2B1415&Body=hi\n") == b"To=%2B1415&Body=hi"


@pytest.mark.parametrize("name", ["ada@example.com", "cust_1a2b3c"])
def test_a_person_in_the_text_of_a_form_is_found_to_be_forgotten(name: str) -> None:
    form = urlencode({"command": "/note", "text": f"call {name} now"}).encode()
    person = Person([name], {"slack": KINDS["slack"]})
    assert person.owns(RawBody(0, "slack", "", form, ""))
    assert not person.owns(RawBody(0, "slack", "", form.replace(b"call+", b"call"), ""))
    assert not person.owns(RawBody(0, "slack", "", b"command=%2Fnote&text=hello", ""))
    assert not person.owns(RawBody(0, "slack", "", b"command=note&text=hello", ""))


@pytest.mark.parametrize("part", [b"a=1&", b"a", b"=", b"%41=&", b"a=%41"])
def test_a_long_body_is_recognized_quickly(part: bytes) -> None:
    started_s = time.process_time()
    is_form(part * (1_000_000 // len(part)) + b'"')
    assert time.process_time() - started_s < 1
