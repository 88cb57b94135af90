"""Writes the config files of contenders that are programs of their own."""

from __future__ import annotations

from pathlib import Path

_HOOKLINE = """
[redis]
url = "{PEER_REDIS_URL}"

[receiver]
port = {PEER_PORT}

[sources.voucherify]
secrets = ["file:secret"]

[channels.sink]
kind = "http"
url = "{PEER_SINK_URL}"
allow_private = true

[[rules]]
name = "points-added"
events = ["*.points_added"]
channel = "sink"
text = \"\"\"
{{{{ customer.name if customer else 'A customer' }}}}: {{{{ balance.points }}}} points added, \\
balance {{{{ balance.balance }}}}\"\"\"
"""

_HOOKSPOOL = """
[intake]
listen = "127.0.0.1:{PEER_PORT}"
threads = 80

[dispatch]
parallel = 4
poll_s = 0.05
backoff_base_s = 1

[limits]
min_free_bytes = 0

[alerts]
dry = true

[sources.voucherify]
module = "hookspool.sources.template"
scheme = "hmac-sha256-hex"
header = "x-voucherify-signature"
key = "{PEER_TUNING}"
dedup = "header:x-voucherify-signature"
dedup_window_s = 604800
action = "sink"
secrets.secret = {{ env = "PEER_SECRET" }}

[destinations.sink]
type = "http"
url = "{PEER_SINK_URL}"
allow_insecure = true
unwrap = true
max_inflight = 4
secret = {{ env = "PEER_SECRET" }}
"""


def write_hookline(home: Path, environment: dict[str, str]) -> None:
    """Write hookline.toml and the file of its secret into a directory."""
    (home / "secret").write_text(environment["PEER_SECRET"])
    (home / "hookline.toml").write_text(_HOOKLINE.format(**environment))


def write_hookspool(home: Path, environment: dict[str, str]) -> None:
    """Write config.toml into a directory."""
    (home / "config.toml").write_text(_HOOKSPOOL.format(**environment))
