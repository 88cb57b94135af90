"""Compares the receiver with a bare aiohttp handler, as the benchmark `receiver` does, under other loads.

The loads are few and many connections, small and large bodies, TLS that nginx ends before the server, and two
server processes. Both servers are measured in turn, and the median of the ratios counts. 202 means that the
webhook is in the memory of Redis.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import trustme

from benchmarks.harness.figures import Figure
from benchmarks.harness.http_servers import (
    Round,
    Server,
    first_core_left_free,
    measure,
    serve_bare,
    serve_receiver,
    serving,
)
from benchmarks.harness.load import EVENT, sample_requests, signed_request
from benchmarks.harness.redis_server import running_redis
from sources import KINDS
from tests.leash import leashed
from tests.ports import free_port

_ROUNDS = 5
_SECONDS = 0.5
_MANY_SECONDS = 1.5
"""Longer, because 1,000 connections have to be made first."""

_SMALL_BYTES, _LARGE_BYTES = 512, 64 * 1024
_LARGE = 50
"""The number of different large bodies."""

_NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_START_S = 10.0

Servers = tuple[Server, Server]
"""The bare handler and the receiver."""


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a webhook was not accepted."""
    usual, small, large = sample_requests(1000), _requests(1000, _SMALL_BYTES), _requests(_LARGE, _LARGE_BYTES)
    cores = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        core = stack.enter_context(first_core_left_free())
        both = stack.enter_context(_servers({core}))
        found = [
            _figure("1 connection", both, usual, connections=1),
            _figure("64 connections", both, usual),
            _figure("1,000 connections", both, usual, connections=1000, seconds=_MANY_SECONDS),
            _figure("bodies of 0.5 KB", both, small),
            _figure("bodies of 64 KB", both, large),
        ]
        if _NGINX is None:
            print("(TLS is left out: nginx is not installed)", end=" ", flush=True)
        else:
            proxied = stack.enter_context(_behind_nginx(_NGINX, both))
            found.append(_figure("TLS, ended by nginx", proxied, usual))
    with _servers(cores, processes=2) as both:
        found.append(_figure("2 processes", both, usual))
    return found


def _requests(count: int, size_bytes: int) -> list[bytes]:
    """Return signed webhooks whose bodies have this size. The receiver does not decode them."""
    sample = KINDS["voucherify"].sample
    parts = size_bytes // len(sample(0, EVENT)) + 1
    bodies = (
        b"".join(sample(number * parts + part, EVENT) for part in range(parts))[-size_bytes:]
        for number in range(count)
    )
    return [signed_request(body) for body in bodies]


def _figure(
    load: str, both: Servers, requests: Sequence[bytes], *, connections: int = 64, seconds: float = _SECONDS
) -> Figure:
    pairs: list[tuple[Round, Round]] = []
    for number in range(-1, _ROUNDS):
        bare, ours = (measure(server, requests, connections=connections, seconds=seconds) for server in both)
        if number >= 0:  # the first round only warms up
            pairs.append((bare, ours))
    bare_per_s, per_s = (median(pair[side].per_second for pair in pairs) for side in (0, 1))
    wall = median(ours.per_second / bare.per_second for bare, ours in pairs)
    p50, p99 = median(ours.p50_ms for _, ours in pairs), median(ours.p99_ms for _, ours in pairs)
    return Figure(
        what=f"receiver against a bare aiohttp handler by CPU: {load}",
        measured=(
            f"{per_s:,.0f}/s (p50 {p50:.1f}, p99 {p99:.1f} ms) against {bare_per_s:,.0f}/s; wall {wall:.2f} x"
        ),
        value=median(ours.per_cpu_s / bare.per_cpu_s for bare, ours in pairs),
        goal=None,
    )


@contextlib.contextmanager
def _servers(cores: set[int], *, processes: int = 1) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running_redis())
        bare, ours = (
            stack.enter_context(serving(serve_on, cores, processes=processes))
            for serve_on in (serve_bare, partial(serve_receiver, "memory", url))
        )
        yield bare, ours


@contextlib.contextmanager
def _behind_nginx(nginx: str, both: Servers) -> Iterator[Servers]:
    """Start an nginx that ends TLS for both servers, each on a port of its own."""
    authority, tls = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(tls)
    tls.check_hostname = False  # of an address the load generator names no host
    ports = [free_port() for _ in both]
    with tempfile.TemporaryDirectory(prefix="hookline-benchmark-") as name:
        directory = Path(name)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(directory / "pem"))
        (directory / "conf").write_text(_configuration(directory, both, ports))
        process = subprocess.Popen(leashed([nginx, "-e", f"{directory}/log", "-c", f"{directory}/conf"]))
        try:
            _wait_until_it_listens(directory / "pid")
            bare, ours = (server.behind(port, tls) for server, port in zip(both, ports, strict=True))
            yield bare, ours
        finally:
            process.terminate()
            process.wait()


def _configuration(directory: Path, both: Servers, ports: Sequence[int]) -> str:
    temporary = " ".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(
        f"upstream server_{port} {{ server 127.0.0.1:{server.port}; keepalive 64; }}\n"
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {directory}/pem;"
        f" ssl_certificate_key {directory}/pem;"
        f" location / {{ proxy_pass http://server_{port}; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; } }'
        for server, port in zip(both, ports, strict=True)
    )
    return (
        f"daemon off; pid {directory}/pid; events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; keepalive_requests 1000000; {temporary}\n{servers} }}\n"
    )


def _wait_until_it_listens(pid_file: Path) -> None:
    """Wait for the file that nginx writes when its ports are open. Raises TimeoutError."""
    deadline_s = time.monotonic() + _START_S
    while not pid_file.exists():
        if time.monotonic() > deadline_s:
            raise TimeoutError("nginx did not start")
        time.sleep(0.01)
