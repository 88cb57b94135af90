from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.config.config import CHANNEL_KINDS, NAMED, SECTIONS, read
from launcher.errors import ConfigError
from receiver.settings import Settings as ReceiverSettings
from worker.rules.rules import Rule

FIELDS = sorted(
    {
        field.name
        for kind in [*SECTIONS.values(), *NAMED["sources"], *CHANNEL_KINDS, Rule]
        for field in msgspec.structs.fields(kind)
    }
    | {"kind"}
)
WORDS = [*SECTIONS, *NAMED, "rules", "voucherify", "console", "http", "memory"]
WORDS += ["*", "{{ x }}", "{% for", "file:/nowhere"]
names = st.one_of(st.sampled_from(FIELDS + WORDS), st.text(max_size=6))
leaves = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
sections = st.one_of(st.dictionaries(names, values, max_size=4), values)
tables = st.dictionaries(st.one_of(st.sampled_from([*SECTIONS, *NAMED, "rules"]), names), sections, max_size=5)
variables = st.dictionaries(
    st.builds(
        lambda parts: "HOOKLINE_" + "_".join(parts).upper(),
        st.lists(st.sampled_from([*SECTIONS, *NAMED, *FIELDS, "x", "retry"]), max_size=4),
    ),
    st.one_of(st.text(max_size=12), st.integers().map(str), st.floats().map(str)),
    max_size=4,
)


@given(tables, variables)
def test_any_input_gives_a_config_or_faults_of_one_line_with_a_place_and_a_reason(
    given_tables: dict[str, Any], environ: dict[str, str]
) -> None:
    try:
        read(given_tables, environ)
    except ConfigError as error:
        assert error.faults
        for fault in error.faults:
            assert fault.path
            assert fault.reason
            assert "\n" not in str(fault)


counts = st.integers(1, 64)
seconds = st.floats(0.001, 4.9, allow_nan=False)
receivers = st.builds(
    ReceiverSettings,
    host=st.sampled_from(["127.0.0.1", "::", "localhost"]),
    port=st.integers(0, 65535),
    processes=counts,
    body_timeout_s=seconds,
    flush_timeout_s=seconds,
    durability=st.sampled_from(["memory", "fsync", "replicated"]),
    replicas=counts,
    trusted_proxies=st.lists(st.sampled_from(["10.0.0.0/8", "fd00::/8", "192.0.2.7"]), max_size=3).map(tuple),
)


@given(receivers)
def test_valid_settings_are_read_unchanged_from_the_file(settings: ReceiverSettings) -> None:
    assert read({"receiver": msgspec.to_builtins(settings)}, {}).receiver == settings


@given(receivers)
def test_valid_settings_are_read_unchanged_from_the_environment(settings: ReceiverSettings) -> None:
    environ = {
        f"HOOKLINE_RECEIVER_{name.upper()}": ",".join(value) if isinstance(value, (list, tuple)) else str(value)
        for name, value in msgspec.to_builtins(settings).items()
    }

    assert read({}, environ).receiver == settings


PASSWORD = "Zk9-hidden-Qx7"
hidden = st.builds(lambda head, tail: head + PASSWORD + tail, st.text(max_size=4), st.text(max_size=4))


@given(
    hidden,
    st.sampled_from(["secrets", "secret", "kind", "dedupe_window_days"]),
    st.sampled_from([lambda text: text, lambda text: [text], lambda text: [[text]], lambda text: {"a": text}]),
)
def test_a_value_in_a_section_of_a_source_is_never_shown(secret: str, key: str, shape: Any) -> None:
    tables = {"sources": {"voucherify": {key: shape(secret)}}}

    with pytest.raises(ConfigError) as caught:
        read(tables, {"HOOKLINE_SOURCES_VOUCHERIFY_SECRET": secret, "HOOKLINE_RECEIVER_PORT": "x"})

    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(caught.value.faults)


@given(st.text(alphabet=st.characters(exclude_characters=",", exclude_categories=("C", "Z")), min_size=8))
def test_a_secret_from_the_environment_is_never_shown(secret: str) -> None:
    if secret.startswith("file:"):
        return
    config = read({}, {"HOOKLINE_SOURCES_VOUCHERIFY_SECRETS": secret})

    assert config.sources["voucherify"].secrets[0].reveal() == secret.encode()
    assert "secrets=(Secret(***),)" in repr(config)
