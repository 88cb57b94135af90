"""Settings that a source needs because of its provider."""

import pytest
from msgspec import structs

from launcher.config.checks import short_deadlines
from launcher.config.config import read
from launcher.config.undeliverable_rules import unknown_events
from launcher.errors import ConfigError
from receiver.settings import Settings as ReceiverSettings
from sources import KINDS
from sources.secret import Secret
from sources.settings import Settings
from worker.rules.rules import Rule


def faults(tables: dict[str, object], **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read(tables, environ)
    return {fault.path: fault.reason for fault in caught.value.faults}


@pytest.mark.parametrize(
    "url",
    ["hooks.example.com", "ftp://hooks.example.com", "https://", "https://a.example/?x=1", "https://a.example/#x"],
)
def test_a_public_url_that_is_not_the_beginning_of_one_is_a_fault(url: str) -> None:
    assert "https://hooks.example.com" in faults({"receiver": {"public_url": url}})["receiver.public_url"]


def test_a_public_url_holds_no_password() -> None:
    assert "password" in faults({"receiver": {"public_url": "https://me:pw@a.example"}})["receiver.public_url"]


def test_the_public_url_comes_from_the_environment_too() -> None:
    config = read({}, {"HOOKLINE_RECEIVER_PUBLIC_URL": "https://hooks.example.com/in"})
    assert config.receiver.public_url == "https://hooks.example.com/in"


def test_a_secret_that_the_provider_cannot_have_is_a_fault_that_does_not_show_it() -> None:
    tables: dict[str, object] = {"sources": {"bill": {"kind": "standard"}, "mail": {"kind": "sendgrid"}}}
    found = faults(tables, HOOKLINE_SOURCES_BILL_SECRETS="no base64!!", HOOKLINE_SOURCES_MAIL_SECRETS="whatever")
    assert set(found) == {"sources.bill.secrets[0]", "sources.mail.secrets[0]"}
    assert "no base64!!" not in str(found)


def test_a_provider_that_signs_urls_needs_the_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], signs_url=True))
    tables: dict[str, object] = {"sources": {"repo": {"kind": "github"}}}
    assert "GitHub signs the URL" in faults(tables)["receiver.public_url"]
    assert read(tables | {"receiver": {"public_url": "https://a.example"}}, {}).receiver.public_url


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"voucherify"}))
def test_settings_for_names_in_urls_are_a_fault_where_the_webhook_names_its_event(kind: str) -> None:
    tables: dict[str, object] = {
        "sources": {"s": {"kind": kind, "events": ["push"], "url_key": True}},
        "receiver": {"public_url": "https://a.example"},
    }
    found = faults(tables)
    assert set(found) == {"sources.s.events", "sources.s.url_key"}
    assert found["sources.s.events"] == (
        f"it does nothing here, since the webhooks of {KINDS[kind].title} name their events: remove it, and "
        "choose events in `events` of a rule"
    )


def test_settings_for_names_in_urls_are_kept_where_the_url_may_name_the_event() -> None:
    table = {"kind": "hmac", "events": ["push"], "url_key": True, "hmac": {"header": "x-mac"}}
    assert read({"sources": {"s": table, "v": {"events": ["a.b"], "url_key": True}}}, {}).sources["s"].url_key
    named = table | {"hmac": {"header": "x-mac", "event": "header:x-event"}}
    assert set(faults({"sources": {"s": named}})) == {"sources.s.events", "sources.s.url_key"}


def test_a_deadline_shorter_than_an_answer_may_take_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], deadline_s=3.0))
    sources = {"repo": Settings(kind="github", secrets=(Secret("secret"),)), "shop": Settings()}
    [(path, reason)] = short_deadlines(ReceiverSettings(), sources)
    assert path == "sources.repo"
    assert "GitHub gives up after 3 s, and an answer may take 8 s" in reason
    assert not list(short_deadlines(ReceiverSettings(body_timeout_s=1, flush_timeout_s=1), sources))


def test_no_event_is_unknown_where_a_source_of_the_rule_may_send_any() -> None:
    rules = (Rule(name="a", events=("release.published",), channel="console"),)
    shop, repo = Settings(), Settings(kind="github")
    assert list(unknown_events(rules, {"shop": shop}))
    assert not list(unknown_events(rules, {"shop": shop, "repo": repo}))
