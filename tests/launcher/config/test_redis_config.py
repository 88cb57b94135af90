"""Tests of the connection to Redis in the config, and of the commands that use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.config.config import read
from launcher.errors import ConfigError


def faults(**redis: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read({"redis": redis}, {})
    return {fault.path: fault.reason for fault in caught.value.faults}


def test_sentinels_sockets_and_tls_can_be_configured() -> None:
    for url in ("redis+sentinel://:p@h1,h2,h3/mymaster", "rediss+sentinel://h1/m", "rediss://h", "unix:///run/r"):
        assert read({}, {"REDIS_URL": url}).redis.url == url


def test_certificates_without_tls_are_a_fault_instead_of_being_ignored() -> None:
    reasons = faults(url="redis://host", tls_ca_file="/ca.pem", tls_cert_file="/c.pem")

    assert set(reasons) == {"redis.tls_ca_file", "redis.tls_cert_file"}
    assert "rediss://" in reasons["redis.tls_ca_file"]


def test_unusable_certificates_are_reported_before_anything_starts(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")

    assert "No such file" in faults(url="rediss://host", tls_ca_file="/no/such.pem")["redis.tls_ca_file"]
    assert "redis.tls_ca_file" in faults(url="rediss://host", tls_ca_file=str(nonsense))
    assert "tls_cert_file" in faults(url="rediss://host", tls_key_file=str(nonsense))["redis.tls_key_file"]
    assert faults(url="rediss://host", tls_verify="off")["redis.tls_verify"] == "expected full, ca or none"
