"""Tests of the reloadable config, without processes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from launcher.config.config import Config, read
from launcher.config.reloadable_config import ReloadableConfig
from launcher.errors import ConfigError, Fault
from sources.secret import Secret

TABLES = {"sources": {"shop": {"secrets": ["file:shop.key"]}, "club": {"secrets": ["file:a", "file:b"]}}}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("shop.key", "a", "b"):
        (tmp_path / name).write_text(f"the-secret-{name}\n")
    return tmp_path


@pytest.fixture
def live(directory: Path) -> ReloadableConfig:
    def config() -> Config:
        return read(TABLES, {}, directory=directory)

    return ReloadableConfig(config(), config)


def test_a_reload_without_changes_reports_no_change(live: ReloadableConfig, directory: Path) -> None:
    before = live.current
    assert not live.reload_secrets()
    (directory / "a").write_text("  the-secret-a")
    assert not live.reload_secrets()
    assert live.current is before


def test_a_secret_is_rotated_while_another_is_broken(
    live: ReloadableConfig, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (directory / "shop.key").unlink()
    (directory / "b").write_text("another-secret")

    assert live.reload_secrets()
    assert not live.reload_secrets()

    assert live.current.sources["shop"].secrets == (Secret("the-secret-shop.key"),)
    assert live.current.sources["club"].secrets == (Secret("the-secret-a"), Secret("another-secret"))
    assert [getattr(record, "action", "") for record in caplog.records] == ["secret_refused", "secret_rotated"]
    assert "another-secret" not in caplog.text


def test_a_broken_file_is_reported_once_and_again_when_it_breaks_again(
    live: ReloadableConfig, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        (directory / "shop.key").unlink()
        for _ in range(3):
            assert not live.reload_secrets()
        (directory / "shop.key").write_text("the-secret-shop.key")
        assert not live.reload_secrets()

    assert len(caplog.records) == 2


def test_a_file_replaced_through_a_link_is_noticed(live: ReloadableConfig, directory: Path) -> None:
    """Replace a file the way Kubernetes changes a mounted secret."""
    (directory / "new").write_text("secret-behind-a-link")
    (directory / "link").symlink_to("new")
    (directory / "link").rename(directory / "shop.key")

    assert live.reload_secrets()
    assert live.current.sources["shop"].secrets == (Secret("secret-behind-a-link"),)


def test_a_directory_that_becomes_unreadable_keeps_the_secret(live: ReloadableConfig, directory: Path) -> None:
    (directory / "shop.key").unlink()
    (directory / "shop.key").mkdir()

    assert not live.reload_secrets()


def test_a_secret_from_a_pipe_is_read_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret-from-a-pipe")
    os.close(writing)
    config = read({"sources": {"shop": {"secrets": [f"file:/dev/fd/{reading}"]}}}, {})
    os.close(reading)

    live = ReloadableConfig(config, lambda: config)
    assert not live.reload_secrets()
    assert live.current.sources["shop"].secrets == (Secret("secret-from-a-pipe"),)


@pytest.mark.parametrize(
    ("fails", "endings"),
    [
        (ConfigError((Fault("a", "x"), Fault("b", "y"))), ["a: x", "b: y"]),
        (ZeroDivisionError(), ["the config was not reloaded"]),
    ],
)
def test_a_failed_reload_is_reported_and_changes_nothing(
    live: ReloadableConfig, caplog: pytest.LogCaptureFixture, fails: Exception, endings: list[str]
) -> None:
    def failing() -> Config:
        raise fails

    faulty = ReloadableConfig(live.current, failing)

    assert not faulty.reload()
    assert faulty.current is live.current
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(endings)
    assert all(message.endswith(words) for message, words in zip(messages, endings, strict=True))
