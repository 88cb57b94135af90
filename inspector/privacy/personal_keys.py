"""Keys of payloads that commonly hold personal data, and kinds of objects that are not people. Pure, no I/O.

Only the letters of keys are compared: `E-Mail`, `e_mail_2` and `eMail` are one key, and `Straße` is `strasse`.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import normalize

_PERSONAL_SUFFIXES = (
    *("name", "names", "phone", "phones", "mobile", "mobiles", "email", "emails", "mail", "mails"),
    *("address", "addresses", "adresse", "telefon", "birth", "password", "token", "tokens"),
)
_NAME_KEYS = frozenset(
    {
        "given",
        "family",
        "nombre",
        "nombres",
        "apellido",
        "apellidos",
        "prenom",
        "nom",
        "cognome",
        "login",
        "logins",
    }
)
_CONTACT_KEYS = frozenset(
    {"tel", "telephone", "telephones", "phonenumber", "phonenumbers", "mobilenumber", "telefono", "telefonnummer"}
    | {
        "cell",
        "cells",
        "cellphone",
        "celular",
        "handy",
        "mobil",
        "msisdn",
        "whatsapp",
        "fax",
        "contact",
        "contacts",
    }
    | {"waid", "emailaddress", "emailhash", "emailmd", "emailsha", "correo", "courriel", "ip", "ips", "ipaddr"}
)
_ADDRESS_KEYS = frozenset(
    {"street", "strasse", "line", "addressline", "housenumber", "hausnummer", "anschrift", "direccion", "calle"}
    | {"city", "cities", "ort", "wohnort", "ciudad", "ville", "postalcode", "postcode", "zip", "zipcode", "plz"}
    | {"lat", "lng", "lon", "latitude", "longitude", "coordinates"}
    # The place of a phone number in a form of Twilio: FromCity, ToZip and so on.
    | {f"{end}{part}" for end in ("from", "to", "caller", "called") for part in ("city", "state", "zip")}
)
_PROFILE_KEYS = frozenset(
    {"birthdate", "birthday", "birthyear", "geburtsdatum", "geburtstag", "dob", "born", "age", "gender", "sex"}
    | {"nationality", "company", "companies"}
)
_SECRET_KEYS = frozenset(
    {
        "iban",
        "ibans",
        "bankaccount",
        "accountnumber",
        "ssn",
        "nationalid",
        "passport",
        "passports",
        "passportnumber",
    }
    | {
        "taxid",
        "taxnumber",
        "vatid",
        "vatnumber",
        "card",
        "cards",
        "cardnumber",
        "creditcard",
        "creditcards",
        "cvv",
    }
    # With Slack's response_url anybody could write to its channel.
    | {"passwort", "secret", "apikey", "responseurl"}
)
_PERSONAL_KEYS = _NAME_KEYS | _CONTACT_KEYS | _ADDRESS_KEYS | _PROFILE_KEYS | _SECRET_KEYS

_CODE_SUFFIXES = ("id", "ids", "code", "codes", "sku", "skus", "ean", "gtin", "upc", "object", "type", "status")

_NON_PERSON_KINDS = frozenset(
    {"campaign", "voucher", "reward", "product", "sku", "segment", "category", "categories", "earning_rule"}
    | {"loyalty_tier", "holder_loyalty_tier", "referral_tier", "promotion_tier", "promotion_stack"}
    | {"custom_event", "event_schema", "validation_rule"}
)
"""Kinds of the provider's objects: the value of their `object` key (`"object": "campaign"`), or the key above
them."""

PERSON_KEYS = frozenset({"customer", "holder"})
"""Keys whose objects are people, whatever their `object` key says."""


@lru_cache(2048)
def is_personal(key: str) -> bool:
    """Return whether the values of a key are personal data."""
    plain = _letters(key)
    return plain in _PERSONAL_KEYS or plain.endswith(_PERSONAL_SUFFIXES)


@lru_cache(2048)
def is_code(key: str) -> bool:
    """Return whether the values of a key are ids or codes, which support needs: `source_id`, `code`."""
    return _letters(key).endswith(_CODE_SUFFIXES)


def is_non_person(kind: str) -> bool:
    """Return whether objects of a kind are not people, so that their `name` is shown."""
    return kind in _NON_PERSON_KINDS


def _letters(key: str) -> str:
    return "".join(char for char in normalize("NFKD", key[:200]).casefold() if char.isalpha())
