"""Proofs and typed events of each provider, as tables in docs/providers.md.

`python -m tests.sources.providers.evidence` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from msgspec import Struct

import hookline.models
from sources import KINDS
from sources.provider import Provider

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
_BLOCK = re.compile(r"(?<=<!-- evidence: made by `make docs` -->\n).*?(?=<!-- end of evidence -->)", re.DOTALL)
_EVENTS = re.compile(r"(?<=<!-- events: made by `make docs` -->\n).*?(?=<!-- end of events -->)", re.DOTALL)
_HEAD = (
    "| `kind` | Signature | Sent again | Sample | Waits | Success | Handshake |\n|---|---|---|---|---|---|---|\n"
)


class Evidence(Struct, frozen=True, kw_only=True):
    """The tests of one provider, each as module:function."""

    vector: str = ""
    """Verifies a request that the vendor, or its own library, has published."""

    recipe: str = ""
    """Verifies a request that follows the vendor's description, if no request is published."""

    redelivery: str
    """Recognizes an event that the provider sends again."""


EVIDENCE = {
    "voucherify": Evidence(
        vector="tests.sources.voucherify.test_signature:test_the_published_vectors_verify",
        redelivery="tests.sources.voucherify.test_identity:test_a_retry_of_the_sender_is_the_same_event",
    ),
    "standard": Evidence(
        vector="tests.sources.providers.test_standard:"
        "test_the_published_vector_verifies_under_both_names_of_its_headers",
        redelivery="tests.sources.providers.test_standard:test_the_identity_is_the_same_in_each_try",
    ),
    "github": Evidence(
        vector="tests.sources.providers.test_github:test_the_published_vector_verifies",
        redelivery="tests.sources.providers.test_github:"
        "test_a_redelivery_is_the_same_event_and_an_equal_body_of_another_delivery_is_not",
    ),
    "sendgrid": Evidence(
        vector="tests.sources.providers.test_sendgrid:"
        "test_the_published_vector_verifies_with_its_final_line_break_only",
        redelivery="tests.sources.providers.test_sendgrid:"
        "test_an_item_that_is_sent_again_beside_others_is_the_same_event",
    ),
    "gitlab": Evidence(
        recipe="tests.sources.providers.test_gitlab:test_a_signing_token_verifies_and_a_changed_body_does_not",
        redelivery="tests.sources.providers.test_gitlab:test_a_retry_is_the_same_event",
    ),
    "twilio": Evidence(
        vector="tests.sources.providers.test_twilio:test_the_published_vector_of_a_form_verifies",
        redelivery="tests.sources.providers.test_twilio:test_a_retry_is_the_same_event_and_the_next_status_is_not",
    ),
    "square": Evidence(
        vector="tests.sources.providers.test_square:test_the_published_vector_verifies",
        redelivery="tests.sources.providers.test_square:test_a_redelivery_is_a_duplicate_by_its_signed_id",
    ),
    "hubspot": Evidence(
        vector="tests.sources.providers.test_hubspot:test_the_published_vector_verifies_for_five_minutes",
        redelivery="tests.sources.providers.test_hubspot:test_a_retry_is_the_same_event_though_it_counts_its_tries",
    ),
    "adyen": Evidence(
        vector="tests.sources.providers.test_adyen:test_the_published_vector_verifies",
        redelivery="tests.sources.providers.test_adyen:test_a_redelivery_is_a_duplicate_and_a_later_success_is_not",
    ),
    "mailgun": Evidence(
        recipe="tests.sources.providers.test_mailgun:test_a_signature_by_the_recipe_verifies",
        redelivery="tests.sources.providers.test_mailgun:test_another_event_under_a_recorded_signature_is_a_duplicate",
    ),
    "paypal": Evidence(
        recipe="tests.sources.providers.test_paypal:test_a_signature_by_the_recipe_verifies_with_the_certificate_or_its_key",
        redelivery="tests.sources.providers.test_paypal:test_a_retry_is_the_same_event_in_another_transmission",
    ),
    "stripe": Evidence(
        vector="tests.sources.providers.test_stripe:test_the_published_vector_verifies",
        redelivery="tests.sources.providers.test_stripe:test_another_try_has_another_signature_and_is_the_same_event",
    ),
    "shopify": Evidence(
        recipe="tests.sources.providers.test_shopify:test_the_documented_recipe_verifies",
        redelivery="tests.sources.providers.test_shopify:test_the_same_webhook_again_is_the_same_event",
    ),
    "slack": Evidence(
        vector="tests.sources.providers.test_slack:test_the_published_vector_verifies",
        redelivery="tests.sources.providers.test_slack:test_a_retry_has_another_time_and_signature_and_is_the_same_event",
    ),
    "linear": Evidence(
        recipe="tests.sources.providers.test_linear:test_the_documented_recipe_verifies",
        redelivery="tests.sources.providers.test_linear:test_another_try_has_another_time_and_delivery_id_and_is_the_same_event",
    ),
    "intercom": Evidence(
        recipe="tests.sources.providers.test_intercom:test_the_documented_recipe_verifies",
        redelivery="tests.sources.providers.test_intercom:test_a_notification_that_is_sent_again_is_the_same_event",
    ),
}


def function_of(name: str) -> Callable[..., object] | None:
    """The function that `module:function` names; None without such a test."""
    module, _, function = name.partition(":")
    found: Callable[..., object] | None = getattr(import_module(module), function, None)
    return found if function.startswith("test_") else None


def table() -> str:
    """The rows of all providers."""
    return _HEAD + "".join(_row(kind, EVIDENCE[name]) for name, kind in KINDS.items())


def events_table() -> str:
    """The typed events of each provider that has a module in `hookline.models`."""
    rows = "".join(
        f"| `{name}` | {', '.join(f'`{event}`' for event in getattr(hookline.models, name).MODELS)} |\n"
        for name in KINDS
        if name in hookline.models.__all__
    )
    return "| `kind` | Typed events |\n|---|---|\n" + rows


def written() -> str:
    """The two tables in the page, as they are now."""
    text = PAGE.read_text()
    return "".join(found[0] for block in (_BLOCK, _EVENTS) if (found := block.search(text)))


def _row(kind: Provider, evidence: Evidence) -> str:
    proof = "published vector" if evidence.vector else "documented recipe"
    cells = (
        f"`{kind.name}`",
        _link(proof, evidence.vector or evidence.recipe),
        _link("same event", evidence.redelivery),
        f"`{kind.sample_event}`",
        f"{kind.deadline_s:g} s",
        str(kind.success_status),
        "answered" if kind.handshake else "-",
    )
    return f"| {' | '.join(cells)} |\n"


def _link(text: str, test: str) -> str:
    return f"[{text}](../{test.partition(':')[0].replace('.', '/')}.py)"


if __name__ == "__main__":
    PAGE.write_text(_EVENTS.sub(lambda _: events_table(), _BLOCK.sub(lambda _: table(), PAGE.read_text())))
