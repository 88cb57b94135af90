"""Personal data stays hidden by default."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dead_letters import Note, StoredDeadLetter, died_at_intake, died_at_notify
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification
from inspector.cli.dead import letter_text as letter_texts
from inspector.cli.tables import letters_table
from inspector.formatting import printable, printable_json, size, span
from inspector.operations import single_letter
from inspector.operations.search import Page, PageEntry
from inspector.presentation.serializers import dry_run_record, letter_record, stored_letter_record
from inspector.privacy.masking import DEFAULT, MASK, Masking
from runtime.dry_run import DryRunResult
from tests.inspector.stack import sample
from tests.libraries import INT_EXPECTED


def test_a_real_payload_keeps_its_structure_and_loses_personal_data() -> None:
    customer = json.loads(sample(3))["data"]["customer"]
    shown = DEFAULT.body(sample(3))

    assert shown["data"]["customer"]["name"] == MASK
    assert shown["data"]["customer"]["email"] == MASK
    assert shown["data"]["balance"]["points"] == 40
    assert shown["event"]["type"] == "customer.voucher.loyalty_card.points_added"
    assert customer["name"] not in json.dumps(shown)
    assert customer["email"] not in json.dumps(shown)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ada Novak"},
        {"firstName": "Ada Novak"},
        {"customer_name": "Ada Novak"},
        {"E-Mail": "Ada Novak"},
        {"email_address": "Ada Novak"},
        {"phone": {"number": "Ada Novak"}},
        {"phone": ["Ada Novak"]},
        {"address": {"line_1": "Ada Novak"}},
        {"birthdate": "Ada Novak"},
        [{"deep": [{"mobile": "Ada Novak"}]}],
    ],
)
def test_values_under_personal_keys_are_masked(value: Any) -> None:
    assert "Ada" not in json.dumps(DEFAULT.value(value))
    assert MASK in json.dumps(DEFAULT.value(value))


@pytest.mark.parametrize(
    "key",
    [
        "emails",
        "phones",
        "names",
        "cell",
        "msisdn",
        "contact",
        "whatsapp",
        "fax",
        "address_line",
        "apellido",
        "prenom",
        "strasse",
        "iban",
        "ssn",
        "passport",
        "card",
        "credit_card",
        "password",
        "token",
        "ip",
        "gender",
        "born",
        "nombre",
        "given",
        "family",
        "ort",
        "plz",
        "house_number",
        "Straße",
        "STRASSE",
        "Téléphone",
        "login",
        "username",
        "nickname",
        "company",
        "tax_id",
        "age",
        "lat",
        "lng",
        "e-mail",
        "E_MAIL_2",
        "email_hash",
        "access_token",
    ],
)
def test_plural_and_common_keys_of_personal_data_are_masked(key: str) -> None:
    assert "030 1234567" not in json.dumps(DEFAULT.value({key: ["030 1234567"]}))


def test_a_position_and_an_age_are_masked_as_numbers_too() -> None:
    assert DEFAULT.value({"lat": 52.5, "lng": 13.4, "age": 46}) == {"lat": MASK, "lng": MASK, "age": MASK}


@pytest.mark.parametrize(
    "text",
    [
        "call 020 7946 0958 now",
        "call (555) 010-5309 now",
        "call 030 1234567 now",
        "call 0170-1234567 now",
        "call 555-010-5309 now",
        "call 01 42 68 53 00 now",
        "call 06.12.34.56.78 now",
        "call 00491701234567 now",
        'call "ada b"@example.com now',
        "call ada\uff20example.com now",
        "call ada@exämple.com now",
        "call x%40y%40z.com now",
        "call ada%40b%C3%BCcher%2Eexample now",
    ],
)
def test_addresses_and_phones_of_every_form_are_masked_in_text(text: str) -> None:
    assert DEFAULT.text(text) == f"call {MASK} now"


@pytest.mark.parametrize(
    "text",
    [
        "order 0123456789 of 2026-11-27 at 10:00:00",
        "voucher 0712-3456-7890",
        "01-02-2025, 01.02.2025, 0001-01-01T00:00:00",
        "0.12345678 of 1234.50, 1 000 000",
        "50%40 off",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "answered 503 in 1200 ms, 010 of 020 done",
        "customer.voucher.loyalty_card.points_added",
    ],
)
def test_what_support_needs_stays_in_text(text: str) -> None:
    assert DEFAULT.text(text) == text


@pytest.mark.parametrize("sign", ["%40", "%2540", "%252540"])
def test_an_address_in_a_url_is_masked_however_often_it_is_encoded(sign: str) -> None:
    assert (
        DEFAULT.text(f"https://x.example/u?e=ada.lovelace{sign}example.com&n=1") == "https://x.example/u?e=***&n=1"
    )


@pytest.mark.parametrize("key", ["customer", "holder"])
def test_a_customer_is_a_person_for_any_object_type(key: str) -> None:
    shown = DEFAULT.value({key: {"object": "segment", "name": "Ada Novak", "description": "Mrs Ada Novak"}})
    assert shown == {key: {"object": "segment", "name": MASK, "description": MASK}}


def test_ids_codes_amounts_and_names_of_campaigns_and_products_stay_shown() -> None:
    body = {
        "id": "c_1",
        "code": "SUMMER",
        "amount": 5,
        "campaign": {"name": "Summer"},
        "product": {"name": "Coffee"},
        "source_id": "ada_novak_1980",
        "barcode": "030 1234567",
    }
    assert DEFAULT.value(body) == body
    person = {"customer": {"name": "Summer Coffee", "login": "c_1"}}
    assert DEFAULT.value({**body, **person}) == {**body, "customer": {"name": MASK, "login": MASK}}


PERSON = {
    "customer": {
        "name": "Ada Novak Geheim",
        "phone": "+49 30 1234567",
        "birthdate": "1980-05-01",
        "address": {"line_1": "Hauptstrasse 5", "city": "Zürich", "postal_code": "10115"},
        "note": "call Ada Novak on 030 1234567",
    }
}


def test_free_text_of_a_body_is_masked_by_what_the_body_hides() -> None:
    assert DEFAULT.value(PERSON)["customer"]["note"] == f"call {MASK} {MASK} on {MASK}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'dict object' has no attribute 'Ada Novak Geheim'", "'dict object' has no attribute '***'"),
        ("ada novak: no such customer", "*** ***: no such customer"),
        ("born 1980-05-01, Hauptstrasse 5, 10115 ZÜRICH", "born ***, ***, *** ***"),
        ("tel 030-1234567, 4930 1234567", "tel ***, ***"),
        ("?q=Ada%20Novak%20Geheim&c=Z%c3%bcrich", "?q=***&c=***"),
        ("?q=Ada+Novak+Geheim%26c%3DNovak%26", "?q=***%26c%3D***%26"),
        (r"{\"city\": \"Z\u00fcrich\"}", r"{\"city\": \"***\"}"),
        ("the id ada_novak_1980 and Adam Novakova stay", "the id ada_novak_1980 and Adam Novakova stay"),
    ],
)
def test_other_texts_are_masked_by_what_the_body_hides(text: str, shown: str) -> None:
    assert DEFAULT.texts_of(json.dumps(PERSON).encode())(text) == shown


def test_many_values_in_a_body_do_not_make_masking_slow() -> None:
    body = {"names": [f"name {'x ' * (number % 100)}{number}" for number in range(20_000)]}
    started_s = time.process_time()
    mask = DEFAULT.texts_of(json.dumps(body).encode())
    mask("name x x " * 20_000)
    assert time.process_time() - started_s < 5


def test_numbers_under_personal_keys_are_masked_and_absence_is_shown() -> None:
    assert DEFAULT.value({"phone": 48600100200, "email": None, "name": "", "mobile": True}) == {
        "phone": MASK,
        "email": None,
        "name": "",
        "mobile": True,
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such user ada.novak+x@mail.example.co.uk, sorry", "no such user ***, sorry"),
        ("call +48 600-100-200 now", "call *** now"),
        ('refused: {"name": "Ada Novak", "points": 4}', 'refused: {"name": "***", "points": 4}'),
        ('cut off: {"name":"Ada Nov', 'cut off: {"name":"***"'),
        ("answered 503 at 2025-01-09T10:00:00.000+00:00", "answered 503 at 2025-01-09T10:00:00.000+00:00"),
        (INT_EXPECTED, INT_EXPECTED),
    ],
)
def test_personal_data_in_free_text_is_masked(text: str, shown: str) -> None:
    assert DEFAULT.text(text) == shown


@pytest.mark.parametrize(
    "part", ["x", '\\"', '"', "x@", "+1-", "+", '"a":', '"a": "b" ', "a.", "\\", "\\u0041", "%41"]
)
def test_masking_takes_no_longer_than_the_text_is_long(part: str) -> None:
    started_s = time.process_time()
    DEFAULT.text(part * (500_000 // len(part)))
    DEFAULT.text(part * (500_000 // len(part)) + "@")
    assert time.process_time() - started_s < 3


def test_an_address_as_a_key_or_an_id_is_masked() -> None:
    assert DEFAULT.value({"ada@example.com": 1, "source_id": "ada@example.com"}) == {MASK: 1, "source_id": MASK}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name":"Ada'])
def test_a_body_that_is_not_json_is_never_partly_masked(body: bytes) -> None:
    with pytest.raises(ValueError):
        DEFAULT.body(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_can_be_masked(value: Any) -> None:
    msgspec.json.encode(DEFAULT.body(msgspec.json.encode(value)))


def test_masked_keys_that_are_alike_are_all_kept() -> None:
    assert DEFAULT.value({"ada@example.com": 1, "bo@example.com": 2, "c@example.com": 3}) == {
        MASK: 1,
        f"{MASK} 2": 2,
        f"{MASK} 3": 3,
    }


@pytest.mark.parametrize(
    "value",
    [
        {"campaign": {"name": "Spring"}},
        {"items": [{"product": {"name": "Spring"}}]},
        {"data": {"object": "reward", "name": "Spring"}},
        {"categories": [{"name": "Spring"}]},
    ],
)
def test_the_name_of_an_object_that_is_not_a_person_is_shown(value: Any) -> None:
    assert DEFAULT.value(value) == value


@pytest.mark.parametrize(
    "value",
    [
        {"campaign": {"object": "customer", "name": "Ada"}},
        {"campaign": {"owner": {"name": "Ada"}}},
        {"campaign": {"customer_name": "Ada"}},
        {"campaign": {"name": "for ada@example.com"}},
        {"object": ["campaign"], "name": "Ada"},
        {"holder": {"object": "campaigner", "name": "Ada"}},
    ],
)
def test_a_person_inside_another_object_stays_hidden(value: Any) -> None:
    assert "ada" not in json.dumps(DEFAULT.value(value)).lower()


BODY = {
    "data": {
        "customer": {"name": "Ada", "metadata": {"shoe": 41, "deep": {"vip": True}}, "plan": "gold"},
        "accounts": [{"depot": "DE1", "note": "x"}, {"depot": "DE2", "note": ""}],
        "store": {"name": "Harbour", "address": {"city": "Gdynia", "phone": None}, "mail": "a@shop.example"},
    },
    "depot": "DE3",
}


@pytest.mark.parametrize(
    ("paths", "hidden"),
    [
        (["data.customer.metadata"], ["41", "true"]),
        (["data.customer.metadata.*"], ["41", "true"]),
        (["data.customer.metadata.**"], ["41", "true"]),
        (["data.customer.metadata.*.vip"], ["true"]),
        (["*.depot"], []),
        (["depot"], ["DE3"]),
        (["data.accounts.depot"], ["DE1", "DE2"]),
        (["**.depot"], ["DE1", "DE2", "DE3"]),
        (["data.**.depot", "*.*.plan"], ["DE1", "DE2", "gold"]),
        (["data.*.note", "Data.customer.plan", "customer.plan"], ["x"]),
        (["**"], ["41", "true", "gold", "DE1", "DE2", "DE3", "x"]),
    ],
)
def test_masked_paths_hide_their_values(paths: list[str], hidden: list[str]) -> None:
    open_ = {"41", "true", "gold", "DE1", "DE2", "DE3", "x"}
    shown = json.dumps(Masking(paths).value(BODY))
    assert {word for word in open_ if f'"{word}"' in shown or f": {word}" in shown} == open_ - set(hidden)


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        ([], []),
        (["data.store.name"], ["Harbour"]),
        (["data.store.mail"], ["a@shop.example"]),
        (["data.store.address"], []),
        (["data.store.address.city"], ["Gdynia"]),
        (["data.store.**"], ["Harbour", "Gdynia", "a@shop.example"]),
        (["**.name"], ["Ada", "Harbour"]),
    ],
)
def test_shown_paths_show_only_their_values(paths: list[str], shown: list[str]) -> None:
    text = json.dumps(Masking(shown=paths).value(BODY))
    assert [word for word in ("Ada", "Harbour", "Gdynia", "a@shop.example") if word in text] == shown


def test_masked_paths_win_over_shown_ones_and_over_all_within() -> None:
    shown = Masking(["data.store"], ["data.store.**", "data.store.name"]).value(BODY)["data"]["store"]
    assert shown == {"name": MASK, "address": {"city": MASK, "phone": None}, "mail": MASK}


def test_the_last_key_of_a_masked_path_is_hidden_in_quoted_json_too() -> None:
    quoted = 'refused: {"iban": "DE1", "note": "x"}'
    assert Masking(["**.iban", "**.metadata.*"]).text(quoted) == 'refused: {"iban": "***", "note": "x"}'


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "a key is missing"),
        ("data..name", "a key is missing"),
        (".name", "a key is missing"),
        ("$.data.name", "remove the \\$"),
        ("data.items[0].name", "a path applies to all items"),
        ("data.meta*", "matches a whole key"),
        ("data.***", "matches a whole key"),
        ("x" * 201, "longer than 200"),
    ],
)
def test_an_invalid_path_is_reported_with_its_reason(path: str, reason: str) -> None:
    for given_paths in ({"masked": [path]}, {"shown": ["a", path]}):
        with pytest.raises(ValueError, match=reason) as caught:
            Masking(**given_paths)
        assert str(caught.value).startswith(f'"{path}": ')


def same_shape(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(same_shape, one.values(), other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_shape, one, other))
    return not isinstance(other, (dict, list))


keys = st.sampled_from(["a", "b", "name", "email", "customer", "campaign", "object", "ada@example.com", ""])
numbers = iter(range(10**9, 10**10))
leaves = st.builds(lambda _: f"<{next(numbers)}>", st.none()) | st.builds(lambda _: next(numbers), st.none())
bodies = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=25
)
steps = st.sampled_from(["a", "b", "name", "customer", "campaign", "*", "**"])
paths = st.lists(st.lists(steps, min_size=1, max_size=4).map(".".join), max_size=3)


def leads_to(path: list[str], way: list[str]) -> bool:
    """Return whether a path leads to a value or to a container of it, with a slow and simple method."""
    if not path:
        return True
    if path[0] == "**":
        return leads_to(path[1:], way) or (bool(way) and leads_to(path, way[1:]))
    return bool(way) and path[0] in {"*", way[0]} and leads_to(path[1:], way[1:])


def all_leaves(value: Any, way: list[str]) -> list[tuple[list[str], Any]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in all_leaves(inner, [*way, key])]
    if isinstance(value, list):
        return [found for inner in value for found in all_leaves(inner, way)]
    return [(way, value)]


@given(bodies, paths, paths)
def test_nothing_that_is_masked_survives_anywhere_and_the_shape_stays(
    body: Any, masked: list[str], shown: list[str]
) -> None:
    given_body = msgspec.json.encode(body)
    masked_body = Masking(masked, shown).body(given_body)
    assert same_shape(body, masked_body)
    text = json.dumps(masked_body)
    for way, leaf in all_leaves(body, []):
        is_masked = any(leads_to(path.split("."), way) for path in masked)
        if is_masked or (not shown and way[-1:] == ["email"]):
            assert str(leaf) not in text, (way, leaf)
        elif not {"name", "email"} & set(way):
            assert str(leaf) in text, (way, leaf)
    assert "ada@example.com" not in text


@given(json_values, paths, paths)
def test_any_json_can_be_masked_by_any_paths(value: Any, masked: list[str], shown: list[str]) -> None:
    assert same_shape(value, Masking(masked, shown).body(msgspec.json.encode(value)))


@given(st.text())
def test_printed_json_keeps_its_value_and_cannot_control_a_terminal(text: str) -> None:
    shown = printable_json(msgspec.json.encode(text).decode())
    assert json.loads(shown) == text
    assert shown == printable(shown)


@given(st.text())
def test_printable_text_cannot_control_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    assert printable("\x1b[31m") == "\\x1b[31m"


def test_durations_and_sizes_are_formatted_in_their_largest_unit() -> None:
    assert [span(ms) for ms in (-5, 350, 1000, 59_999, 60_000, 3_600_000, 90_000_000)] == [
        "0 ms",
        "350 ms",
        "1 s",
        "59 s",
        "1 min",
        "1 h",
        "1 d",
    ]
    assert [size(number) for number in (0, 1023, 1536, 3 * 2**20, 5 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]


def test_the_path_of_an_error_is_masked_as_the_error_is() -> None:
    """A key of a payload may be the e-mail address of a person."""
    letter = died_at_intake(
        RawBody(1, "shop", "", b"{}"), reason="failed", error="it", error_class="E", path="$.by.ada@example.com"
    ).letter
    result = single_letter.masked_dry_run(
        StoredDeadLetter(letter, b"{}"), lambda _: DryRunResult(passes=False, path=letter.path), masking=DEFAULT
    )
    lines = letters_table(Page([PageEntry(letter, "", 1)], ""), now_ms=1, width=200)

    assert MASK in result.path
    assert "ada" not in json.dumps([letter_record(letter), dry_run_record(result)])
    assert "ada" not in str([list(column.cells) for column in lines.columns])
    assert letter_record(letter, shown=str)["path"] == letter.path


def test_all_texts_of_a_dead_letter_are_masked_by_what_its_body_hides() -> None:
    tried = Attempt(1, 2, "permanent", "no Ada Novak Geheim", "Hauptstrasse 5 of Novak, tel 030 1234567")
    body = RawBody(1, "shop", "", json.dumps(PERSON).encode(), "user-agent: Geheim/1")
    notification = Notification("k", "r", "h.geheim.signed_up", body, (tried,))
    letter = died_at_notify(notification, "crm", reason="permanent", error="Geheim", error_class="E").letter
    stored_letter = StoredDeadLetter(letter, body.body, (), (Note(1, "ann", "asked Novak"),))
    shown = json.dumps(stored_letter_record(stored_letter))
    page = str(letter_texts.page(stored_letter, group_letters=1, now_ms=1, reveal=False).__dict__)

    for word in ("Ada", "Novak", "geheim", "Geheim", "Hauptstrasse", "1234567"):
        assert word not in shown, word
        assert word not in page, word
    assert "Novak" in json.dumps(stored_letter_record(stored_letter, reveal=True))


def test_the_event_name_of_a_row_is_masked_by_form() -> None:
    letter = died_at_intake(
        RawBody(1, "shop", "h.zelda@example.com", b"{}"), reason="failed", error="", error_class="E"
    ).letter
    lines = letters_table(Page([PageEntry(letter, "", 1)], ""), now_ms=1, width=200)
    assert "zelda" not in json.dumps(letter_record(letter))
    assert "zelda" not in str([list(column.cells) for column in lines.columns])
