"""URLs with `{to}` for every Apprise service with recipients, made from Apprise's own descriptions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

USUAL = {
    "host": "localhost", "user": "ada", "password": "secret", "port": "8080", "from_phone": "15557654321",
    "from_email": "from@example.com", "from_addr": "from@example.com", "email": "from@example.com",
    "region": "us-east-1", "source": "15557654321", "sender": "Hookline",
}  # fmt: skip
OTHERS = (
    "localhost", "ada", "a" * 32, "15557654321", "ABCDEFGHIJ", "a" * 30, "us-east-1", "12345678",
    "from@example.com", "AC" + "a" * 32, "SG.abcdefghij", "a1b2c3d4-a1b2-41b2-81b2-a1b2c3d4e5f6",
    "1234567890:" + "a" * 35, "a" * 64,
)  # fmt: skip
RECIPIENTS = (
    "+4915111111111", "+61412345678", "12125550123", "ada@example.com", "ada.b+tag@example.com", "#general",
    "@ada", "DF1JSL", "U0123ABCD", "dev1", "a1b2c3d4-a1b2-41b2-81b2-a1b2c3d4e5f7",
)  # fmt: skip
"""Recipients of several kinds, each for the services that know its kind."""


def urls(apprise: Any, asset: Any) -> Iterator[tuple[str, str]]:
    """Return (name, URL) of each service whose URL can be derived."""
    for service in apprise.Apprise().details()["schemas"]:
        details = service["details"]
        settings = {**details["tokens"], **details["args"]}
        if any(name == "targets" or setting.get("map_to") == "targets" for name, setting in settings.items()):
            guesses = itertools.islice(_guesses(service, details), 500)
            service_url = next((url for url in guesses if _is_taken(apprise, asset, url)), None)
            if service_url:
                yield service_url.partition(":")[0], service_url


def _guesses(service: Any, details: Any) -> Iterator[str]:
    scheme = [*(service["protocols"] or ()), *(service["secure_protocols"] or ())][0]
    for template in details["templates"]:
        url = template.replace("{schema}", scheme)
        if "{targets}" not in url:
            if "to" not in details["args"]:
                continue
            url += "&to={targets}" if "?" in url else "?to={targets}"
        names = [name for name in re.findall(r"{(\w+)}", url) if name != "targets"]
        values = [list(itertools.islice(_values(name, details["tokens"].get(name, {})), 6)) for name in names]
        for chosen in itertools.islice(itertools.product(*values), 150):
            filled = url
            for name, value in zip(names, chosen, strict=True):
                filled = filled.replace(f"{{{name}}}", value)
            yield filled.replace("{targets}", "{to}")


def _values(name: str, token: Any) -> Iterator[str]:
    if name in USUAL:
        yield USUAL[name]
    pattern = token.get("regex")
    pattern = pattern[0] if isinstance(pattern, list | tuple) else pattern
    yield from (value for value in OTHERS if not pattern or re.match(str(pattern), value, re.IGNORECASE))


def _is_taken(apprise: Any, asset: Any, url: str) -> bool:
    for to in ("4915112345678", "ada@example.com"):
        try:
            if apprise.Apprise.instantiate(url.replace("{to}", to), asset=asset) is not None:
                return True
        except Exception:  # noqa: BLE001 - a guess that a service of Apprise's fails on
            continue
    return False
