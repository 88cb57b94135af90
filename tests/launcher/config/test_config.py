from __future__ import annotations

from pathlib import Path

import pytest

from launcher.config.config import Config, load, read
from launcher.config.struct_reader import one_of
from launcher.errors import ConfigError, Fault
from sources.secret import Secret
from sources.source_kinds import kind_names
from worker.channels.settings import HttpSettings
from worker.rules.rules import DEFAULT_RULES

HTTP = {"kind": "http", "url": "https://crm.example/hook"}


def faults(
    tables: dict[str, object] | None = None, environ: dict[str, str] | None = None, **options: Path
) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read(tables or {}, environ or {}, **options)
    return {fault.path: fault.reason for fault in caught.value.faults}


def test_no_setting_is_required() -> None:
    config = read({}, {})

    assert list(config.sources) == ["voucherify"]
    assert config.rules == DEFAULT_RULES
    assert list(config.channels) == ["console"]
    assert config.receiver.port == 8080


def test_every_fault_is_reported_with_its_place() -> None:
    reasons = faults(
        {
            "receiver": {"port": "x", "prot": 1},
            "worker": {"processes": 0},
            "chanels": {},
            "sources": {"shop": {"kind": "voucherfy", "addresses": ["10.0.0.0/8", "10.1"]}},
            "channels": {"crm": HTTP | {"url": "ftp://x", "retry": {"attemps": 2}}, "sms": {}},
            "rules": [{"name": "a", "events": ["*"], "channel": "cmr", "text": "{{ x"}, {"name": "a"}],
        },
        {"HOOKLINE_WORKER_LEASE_S": "soon"},
    )

    assert reasons == {
        "receiver.port": "expected `int`, got `str`",
        "receiver.prot": "unknown setting, did you mean port?",
        "worker.processes": "expected `int` >= 1",
        "HOOKLINE_WORKER_LEASE_S": "expected `float`",
        "chanels": "unknown section, did you mean channels?",
        "sources.shop.kind": f"no such kind of source, did you mean voucherify?; there is {one_of(kind_names())}",
        "sources.shop.addresses[1]": (
            "not an address, a network like 203.0.113.0/24 or a region; regions: as1, eu1, us1"
        ),
        "channels.crm.url": "expected `str` matching regex '^https?://'",
        "channels.crm.retry.attemps": "unknown setting, did you mean attempts?",
        "channels.sms.kind": reasons["channels.sms.kind"],
        "rules[0].channel": "no such channel, did you mean crm?",
        "rules[0].text": (
            "not a Jinja2 template: unexpected end of template, expected 'end of print statement'. (line 1)"
        ),
        "rules[1].name": "another rule has this name",
        "rules[1].events": "missing",
        "rules[1].channel": "missing",
    }
    assert reasons["channels.sms.kind"].startswith("missing: say console")


def test_a_choice_lists_the_possible_values() -> None:
    reasons = faults({"receiver": {"durability": "fsink"}, "channels": {"crm": {"kind": "htp"}}})

    assert reasons["receiver.durability"] == "expected memory, fsync or replicated"
    assert reasons["channels.crm.kind"].startswith("expected console")
    assert reasons["channels.crm.kind"].endswith("did you mean http?")


def test_the_flush_timeout_must_be_shorter_than_the_time_that_the_provider_waits() -> None:
    assert "provider gives up" in faults({"receiver": {"flush_timeout_s": 6}})["receiver.flush_timeout_s"]


def test_a_rule_for_a_source_that_does_not_exist_is_a_fault() -> None:
    rule = {"name": "a", "events": ["*"], "channel": "console"}

    reasons = faults({"rules": [rule | {"sources": ["voucherify", "voucherfy", "v*"]}]})

    assert reasons == {"rules[0].sources[1]": "no such source, did you mean voucherify?"}


def test_addresses_are_networks_single_addresses_and_the_names_of_regions() -> None:
    addresses = ["eu1", "203.0.113.0/24", "2001:db8::1"]

    assert read({"sources": {"shop": {"addresses": addresses}}}, {}).sources["shop"].addresses == tuple(addresses)
    assert faults({}, {"HOOKLINE_SOURCES_SHOP_ADDRESSES": "eu1,eu2"}) == {
        "HOOKLINE_SOURCES_SHOP_ADDRESSES[1]": (
            "not an address, a network like 203.0.113.0/24 or a region, did you mean eu1?"
        )
    }


def test_a_trusted_proxy_is_a_network_and_not_every_address() -> None:
    assert read({"receiver": {"trusted_proxies": ["10.0.0.0/8"]}}, {}).receiver.trusted_proxies == ("10.0.0.0/8",)
    assert faults({"receiver": {"trusted_proxies": ["10.0.0.1", "nginx", "0.0.0.0/0", "::/0"]}}) == {
        "receiver.trusted_proxies[1]": "not an address or a network like 10.0.0.0/8",
        "receiver.trusted_proxies[2]": "it trusts every address, so that any sender could claim any address",
        "receiver.trusted_proxies[3]": "it trusts every address, so that any sender could claim any address",
    }


def test_a_header_that_carries_a_secret_is_not_stored() -> None:
    kept = {"receiver": {"kept_headers": ["X-Request-Id", "Content-Type"]}}
    assert read(kept, {}).receiver.kept_headers == ("X-Request-Id", "Content-Type")
    reasons = faults({"receiver": {"kept_headers": ["via", "Authorization", "X-Voucherify-Signature", "a b"]}})
    assert reasons == {
        "receiver.kept_headers[1]": reasons["receiver.kept_headers[2]"],
        "receiver.kept_headers[2]": (
            "it carries a secret or a signature, which would be stored in Redis and shown with dead letters"
        ),
        "receiver.kept_headers[3]": "no header can have this name: write it like content-type",
    }


def test_names_that_do_not_fit_into_a_url_or_a_file_name_are_faults() -> None:
    reasons = faults({"sources": {"../x": {}, "a b": {}, "fine-1": {}}})

    assert set(reasons) == {'sources."../x"', 'sources."a b"'}


def test_names_that_are_equal_in_the_environment_are_faults() -> None:
    assert set(faults({"sources": {"eu-1": {}, "eu_1": {}}})) == {"sources.eu_1"}


def test_wrong_types_are_faults_at_every_level() -> None:
    assert set(
        faults(
            {
                "redis": 3,
                "sources": [1],
                "channels": {"a": 1, "b": {"kind": 2}, "crm": HTTP | {"retry": 1}},
                "rules": {"name": "a"},
            }
        )
    ) == {"redis", "sources", "channels.a", "channels.b.kind", "channels.crm.retry", "rules"}
    assert set(faults({"rules": [1]})) == {"rules[0]"}


def test_infinity_is_not_a_time_limit() -> None:
    assert faults({"worker": {"stop_grace_s": float("inf")}}) == {
        "worker.stop_grace_s": "expected a finite number"
    }


def test_the_environment_overrides_the_file() -> None:
    config = read(
        {"receiver": {"port": 1, "host": "::1"}, "channels": {"my-crm": HTTP}},
        {
            "HOOKLINE_RECEIVER_PORT": "9000",
            "HOOKLINE_RECEIVER_DURABILITY": "fsync",
            "HOOKLINE_CHANNELS_MY_CRM_URL": "http://other",
            "HOOKLINE_CHANNELS_MY_CRM_RETRY_ATTEMPTS": "3",
            "HOOKLINE_CHANNELS_CONSOLE_RETRY_ATTEMPTS": "4",
            "HOOKLINE_UP_DATA_DIR": "/srv/data",
        },
    )

    assert (config.receiver.port, config.receiver.host, config.receiver.durability) == (9000, "::1", "fsync")
    crm = config.channels["my-crm"]
    assert isinstance(crm, HttpSettings)
    assert (crm.url, crm.retry.attempts) == ("http://other", 3)
    assert config.channels["console"].retry.attempts == 4
    assert config.data_dir == Path("/srv/data")


def test_a_source_and_a_channel_may_come_from_the_environment_alone() -> None:
    config = read(
        {},
        {
            "HOOKLINE_SOURCES_MY_SHOP_SECRETS": "first-secret, second-secret",
            "HOOKLINE_SOURCES_MY_SHOP_DEDUPE_WINDOW_DAYS": "3",
            "HOOKLINE_SOURCES_MY_SHOP_ADDRESSES": "10.0.0.0/8,127.0.0.1",
            "HOOKLINE_CHANNELS_CRM_KIND": "http",
            "HOOKLINE_CHANNELS_CRM_URL": "https://crm",
        },
    )

    source = config.sources["my_shop"]
    assert source.secrets == (Secret("first-secret"), Secret("second-secret"))
    assert source.addresses == ("10.0.0.0/8", "127.0.0.1")
    assert source.dedupe_window_days == 3
    assert list(config.channels) == ["console", "crm"]


def test_a_source_whose_name_ends_like_a_setting_is_still_read() -> None:
    config = read({"sources": {"retry_kind": {}}}, {"HOOKLINE_SOURCES_RETRY_KIND_KIND": "voucherify"})

    assert list(config.sources) == ["retry_kind"]


def test_an_unknown_variable_is_a_fault() -> None:
    reasons = faults({}, {"HOOKLINE_RECEIVER_PROT": "1", "HOOKLINE_NONSENSE": "2", "HOOKLINE_SOURCES_X": "3"})

    assert reasons["HOOKLINE_RECEIVER_PROT"] == "unknown variable, did you mean HOOKLINE_RECEIVER_PORT?"
    assert set(reasons) == {"HOOKLINE_RECEIVER_PROT", "HOOKLINE_NONSENSE", "HOOKLINE_SOURCES_X"}


def test_an_empty_variable_counts_as_not_set() -> None:
    config = read({"receiver": {"port": 1}}, {"HOOKLINE_RECEIVER_PORT": " ", "REDIS_URL": ""})

    assert (config.receiver.port, config.redis.url) == (1, "")


def test_variables_that_kubernetes_sets_for_a_service_named_hookline_are_ignored() -> None:
    config = read(
        {},
        {
            "HOOKLINE_RECEIVER_PORT": "tcp://10.0.0.1:8080",
            "HOOKLINE_RECEIVER_PORT_8080_TCP": "tcp://10.0.0.1:8080",
            "HOOKLINE_RECEIVER_PORT_8080_TCP_ADDR": "10.0.0.1",
            "HOOKLINE_RECEIVER_SERVICE_HOST": "10.0.0.1",
            "HOOKLINE_RECEIVER_SERVICE_PORT_HTTP": "8080",
        },
    )

    assert config.receiver.port == 8080


def test_redis_is_read_from_its_own_variable_then_redis_url_then_the_file() -> None:
    tables = {"redis": {"url": "redis://file"}}

    assert read(tables, {}).redis.url == "redis://file"
    assert read(tables, {"REDIS_URL": "redis://short"}).redis.url == "redis://short"
    both = {"REDIS_URL": "redis://short", "HOOKLINE_REDIS_URL": "redis://long"}
    assert read(tables, both).redis.url == "redis://long"


def test_an_invalid_redis_url_is_reported_without_its_password() -> None:
    for url in ("htp://:pass-word@host", "redis://:pass-word/x@host:1", "redis://h:port"):
        reasons = faults({}, {"REDIS_URL": url})
        assert "redis://[user:password@]host" in reasons["REDIS_URL"]
        assert "pass-word" not in reasons["REDIS_URL"]


def test_rules_may_come_as_json_from_the_environment() -> None:
    config = read({}, {"HOOKLINE_RULES": '[{"name": "all", "events": ["*"], "channel": "console"}]'})

    assert [rule.name for rule in config.rules] == ["all"]
    assert faults({}, {"HOOKLINE_RULES": "[{]"}) == {"HOOKLINE_RULES": "expected a JSON list of rules"}
    assert set(faults({}, {"HOOKLINE_RULES": '[{"name": 1}]'})) == {
        "HOOKLINE_RULES[0].name",
        "HOOKLINE_RULES[0].events",
        "HOOKLINE_RULES[0].channel",
    }


def test_the_default_rules_can_be_removed() -> None:
    assert read({"rules": []}, {}).rules == ()


def test_a_table_of_texts_may_come_from_the_environment() -> None:
    config = read({"channels": {"crm": HTTP}}, {"HOOKLINE_CHANNELS_CRM_HEADERS": "X-Team = loyalty, X-Key=a=b"})

    crm = config.channels["crm"]
    assert isinstance(crm, HttpSettings)
    assert crm.headers == {"X-Team": "loyalty", "X-Key": "a=b"}
    assert set(faults({"channels": {"crm": HTTP}}, {"HOOKLINE_CHANNELS_CRM_HEADERS": "X-Team"})) == {
        "HOOKLINE_CHANNELS_CRM_HEADERS"
    }


def test_the_file_is_the_one_of_the_option_or_of_the_variable_or_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for port, name in ((1, "given.toml"), (2, "variable.toml"), (3, "hookline.toml")):
        (tmp_path / name).write_text(f"[receiver]\nport = {port}\n")
    environ = {"HOOKLINE_CONFIG": str(tmp_path / "variable.toml")}

    assert load(tmp_path / "given.toml", environ).receiver.port == 1
    assert load(None, environ).receiver.port == 2
    assert load(None, {}).receiver.port == 3
    (tmp_path / "hookline.toml").unlink()
    assert isinstance(load(None, {}), Config)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[receiver]\nport = \n", "line 2"),
        (b"a = 2024-13-45", "not TOML"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_not_toml_is_reported_with_its_place(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "hookline.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load(file, {})

    (fault,) = caught.value.faults
    assert fault.path == str(file)
    assert reason in fault.reason


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml", {})

    assert caught.value.faults == (
        Fault(str(tmp_path / "none.toml"), "cannot read it: No such file or directory"),
    )


def test_alerts_need_an_existing_channel() -> None:
    config = read({"alerts": {"channel": "crm", "period_s": 60}, "channels": {"crm": HTTP}}, {})
    assert (config.alerts.channel, config.alerts.period_s) == ("crm", 60)
    assert read({}, {}).alerts.channel == ""
    assert faults({"alerts": {"channel": "cmr"}, "channels": {"crm": HTTP}}) == {
        "alerts.channel": "no such channel, did you mean crm?"
    }


def test_monitors_of_a_source_are_off_unless_they_are_set() -> None:
    source = read({}, {}).sources["voucherify"]
    assert (source.max_event_age_s, source.expect_every_s) == (0, 0)
    environ = {"HOOKLINE_SOURCES_VOUCHERIFY_EXPECT_EVERY_S": "3600"}
    assert read({}, environ).sources["voucherify"].expect_every_s == 3600
    assert faults({"sources": {"shop": {"max_event_age_s": -1}}}) == {
        "sources.shop.max_event_age_s": "expected `float` >= 0.0"
    }
