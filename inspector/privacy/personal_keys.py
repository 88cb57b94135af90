"""Which keys of a payload commonly hold personal data, and which objects are no people. Pure, no I/O.

Keys are compared by their letters alone: `E-Mail`, `e_mail_2` and `eMail` are one key, `Straße` is `strasse`.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import normalize

_ENDS = (
    *("name", "names", "phone", "phones", "mobile", "mobiles", "email", "emails", "mail", "mails"),
    *("address", "addresses", "adresse", "telefon", "birth", "password", "token", "tokens"),
)
_NAMES = frozenset(
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
_REACHED_BY = frozenset(
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
    | {"emailaddress", "emailhash", "emailmd", "emailsha", "correo", "courriel", "ip", "ips", "ipaddr"}
)
_PLACES = frozenset(
    {"street", "strasse", "line", "addressline", "housenumber", "hausnummer", "anschrift", "direccion", "calle"}
    | {"city", "cities", "ort", "wohnort", "ciudad", "ville", "postalcode", "postcode", "zip", "zipcode", "plz"}
    | {"lat", "lng", "lon", "latitude", "longitude", "coordinates"}
)
_ABOUT = frozenset(
    {"birthdate", "birthday", "birthyear", "geburtsdatum", "geburtstag", "dob", "born", "age", "gender", "sex"}
    | {"nationality", "company", "companies"}
)
_NUMBERS = frozenset(
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
    | {"passwort", "secret", "apikey"}
)
_KEYS = _NAMES | _REACHED_BY | _PLACES | _ABOUT | _NUMBERS

_CODES = ("id", "ids", "code", "codes", "sku", "skus", "ean", "gtin", "upc", "object", "type", "status")

_NO_PERSONS = frozenset(
    {"campaign", "voucher", "reward", "product", "sku", "segment", "category", "categories", "earning_rule"}
    | {"loyalty_tier", "holder_loyalty_tier", "referral_tier", "promotion_tier", "promotion_stack"}
    | {"custom_event", "event_schema", "validation_rule"}
)
"""What the vendor's objects say of themselves (`"object": "campaign"`), or are the values of."""

PERSONS = frozenset({"customer", "holder"})
"""Objects under these keys are people, whatever their `object` says."""


@lru_cache(2048)
def is_personal(key: str) -> bool:
    """Whether values under a key are personal data."""
    plain = _letters(key)
    return plain in _KEYS or plain.endswith(_ENDS)


@lru_cache(2048)
def is_code(key: str) -> bool:
    """Whether values under a key are ids, codes and the like, which support needs: `source_id`, `code`."""
    return _letters(key).endswith(_CODES)


def is_no_person(kind: str) -> bool:
    """Whether an object that calls itself so, or is called so, is no person: its `name` is shown."""
    return kind in _NO_PERSONS


def _letters(key: str) -> str:
    return "".join(char for char in normalize("NFKD", key[:200]).casefold() if char.isalpha())
