"""Properties that hold for any bytes. A target takes bytes, and raises if its property does not hold."""

from __future__ import annotations

import atexit
import contextlib
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from broker.queue import batch, jobs
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.jobs import Packed, UnreadableJobError
from launcher.config.config import load
from launcher.errors import ConfigError
from sources.errors import DecodeError, SignatureError
from sources.event import Event
from sources.search_terms import MAX_TERMS, term
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.voucherify import HEADER, VOUCHERIFY, sign, verify
from sources.voucherify.decoding.decode import _decode_completely
from sources.voucherify.signature import without_white_space

SECRETS = (Secret("secretKey"), Secret("another"))


def signature(data: bytes) -> None:
    """Check with the signature up to the first NUL, and the body after it."""
    first, _, body = data.partition(b"\0")
    try:
        verify(SignedRequest(body, {HEADER: first.decode("utf-8", "surrogateescape")}), secrets=SECRETS)
    except SignatureError:
        pass
    else:
        raise AssertionError("a body without a valid signature was verified")
    compact = without_white_space(body)
    assert without_white_space(compact) == compact
    verify(SignedRequest(body, {HEADER: sign(body, SECRETS[0])}), secrets=SECRETS)
    verify(SignedRequest(body, {HEADER: sign(compact, SECRETS[1])}), secrets=SECRETS)


def stored(data: bytes) -> None:
    """Check values in Redis: batches and jobs, unchanged and with these bytes inside."""
    for blob in (data, batch.compress(data)):
        try:
            bodies = batch.decode(blob)
        except UnreadableBatchError:
            pass
        else:
            assert batch.decode(batch.encode(bodies)) == bodies
        with contextlib.suppress(UnreadableJobError):
            jobs.decode(Packed(blob))
    job = jobs.deserialize(data)
    assert set(job) == {"t", "f", "a", "k", "et"}
    jobs.size_of(data.decode("utf-8", "replace"))
    body = RawBody(1, "voucherify", "", data)
    assert batch.decode(batch.encode([body, body])) == [body, body]


def decode(data: bytes) -> None:
    """Decode with the event name of the URL up to the first NUL, and the body after it."""
    first, _, body = data.partition(b"\0")
    hint = first.decode("utf-8", "replace")
    terms = VOUCHERIFY.terms(body)
    assert len(set(terms)) == len(terms) <= MAX_TERMS and all(term(text) == text != "" for text in terms)
    try:
        event = VOUCHERIFY.decode(body, hint)
    except DecodeError as error:
        _has_path_and_reason(error)
        return
    assert event.name and event.identity
    assert _facts(_decode_completely(body, hint)) == _facts(event)
    payload = VOUCHERIFY.view(body)
    VOUCHERIFY.compare(event.name, payload)


def config(data: bytes) -> None:
    """Read hookline.toml up to the first NUL, then variables SECTION_KEY=value, each up to the next NUL."""
    toml, *variables = data.split(b"\0")
    environ = {}
    for variable in variables:
        name, _, value = variable.decode("utf-8", "replace").partition("=")
        environ[f"HOOKLINE_{name.upper()}"] = value
    file = _directory() / "hookline.toml"
    file.write_bytes(toml)
    environ.pop("HOOKLINE_CONFIG", None)
    try:
        load(file, environ)
    except ConfigError as error:
        assert error.faults
        for fault in error.faults:
            assert fault.path and fault.reason
            assert "\n" not in str(fault)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "signature": signature,
    "batch": stored,
    "decode": decode,
    "config": config,
}


def _has_path_and_reason(error: DecodeError) -> None:
    assert error.reason and error.path.startswith("$")


def _facts(event: Event) -> tuple[object, ...]:
    return event.name, event.identity, event.occurred_at_ms, event.kind, type(event.data), event.data


@cache
def _directory() -> Path:
    directory = tempfile.TemporaryDirectory(prefix="hookline-fuzz-")
    atexit.register(directory.cleanup)
    return Path(directory.name)
