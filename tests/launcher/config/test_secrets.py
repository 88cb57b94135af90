from __future__ import annotations

import stat
from pathlib import Path

import pytest

from launcher.config.config import load, read
from launcher.config.secrets import SecretError, keep_secret, stored_secret
from launcher.errors import ConfigError
from sources.secret import Secret

VARIABLE = "HOOKLINE_SOURCES_VOUCHERIFY_SECRETS"


def refusal(tables: dict[str, object], environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tables, environ)
    return str(caught.value)


def test_a_secret_as_a_value_in_the_file_is_refused() -> None:
    message = refusal({"sources": {"voucherify": {"secrets": ["in-the-open"]}}}, {})

    assert message.startswith("sources.voucherify.secrets[0]: a secret does not belong in this file")
    assert "in-the-open" not in message


def test_a_secret_is_read_from_a_file_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  well-hidden\n")
    file = tmp_path / "hookline.toml"
    file.write_text('[sources.voucherify]\nsecrets = ["file:key"]\n')

    assert load(file, {}).sources["voucherify"].secrets == (Secret("well-hidden"),)


def test_a_secret_is_read_from_a_file_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("well, hidden\n")

    config = read({}, {VARIABLE: f"file:{tmp_path}/key,second-secret"})

    assert config.sources["voucherify"].secrets == (Secret("well, hidden"), Secret("second-secret"))


def test_the_address_of_redis_is_read_from_a_file_that_the_config_or_the_environment_names(tmp_path: Path) -> None:
    address = "redis://:well-hidden@redis:6379"
    (tmp_path / "address").write_text(address + "\n")

    assert read({"redis": {"url": "file:address"}}, {}, directory=tmp_path).redis.url == address
    assert read({}, {"REDIS_URL": f"file:{tmp_path}/address"}).redis.url == address


def test_a_file_without_a_valid_address_of_redis_is_a_fault_that_does_not_show_it(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("http://:well-hidden@redis:6379")

    message = refusal({}, {"REDIS_URL": f"file:{tmp_path}/address"})

    assert message.startswith("REDIS_URL: ")
    assert "well-hidden" not in message
    assert "No such file" in refusal({"redis": {"url": f"file:{tmp_path}/missing"}}, {})


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("", "is empty"), (" \n", "is empty"), ("short", "too short")]
)
def test_a_file_without_a_valid_secret_is_a_fault(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    message = refusal({}, {VARIABLE: f"file:{path}"})

    assert message.startswith(f"{VARIABLE}: ")
    assert reason in message
    assert str(path) in message


def test_a_secret_that_is_too_short_is_a_fault_and_not_shown() -> None:
    message = refusal({}, {VARIABLE: "abc!!"})

    assert "too short" in message
    assert "abc!!" not in message


def test_a_generated_secret_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    made = keep_secret(tmp_path, "voucherify", "generated secret")

    assert stored_secret(tmp_path, "voucherify") == made
    assert stat.S_IMODE((tmp_path / "voucherify.secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["voucherify.secret"]


def test_there_is_no_stored_secret_unless_one_was_generated(tmp_path: Path) -> None:
    assert stored_secret(tmp_path, "voucherify") is None


def test_a_damaged_stored_secret_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "voucherify.secret").write_text("")

    with pytest.raises(SecretError, match="is empty"):
        stored_secret(tmp_path, "voucherify")


def test_a_temporary_file_left_by_a_crash_does_not_prevent_the_next_secret(tmp_path: Path) -> None:
    (tmp_path / "voucherify.draft").write_text("half")

    assert keep_secret(tmp_path, "voucherify", "generated secret") == stored_secret(tmp_path, "voucherify")
