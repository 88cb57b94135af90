"""`hookline demo`: sends a few real webhooks, and shows and checks each step."""

from __future__ import annotations

import signal
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import typer

from launcher.commands.demo.stack import SOURCE, Response, Stack
from launcher.config.secrets import stored_secret
from sources import KINDS
from sources.secret import Secret
from sources.signed_request import SignedRequest

EVENT = "customer.voucher.loyalty_card.points_added"

_NOT_JSON = b"40 points for Nadia"


class StepError(Exception):
    """A step failed. The text says what was expected and what happened."""


def demo() -> None:
    """Start everything in a temporary directory, send real webhooks, check each step, and stop."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell script starts `&` commands with SIGINT ignored
    with tempfile.TemporaryDirectory(prefix="hookline-demo-") as directory, Stack(Path(directory)) as stack:
        code = _show(stack)
    raise typer.Exit(code)


def _end(_signum: int, _frame: object) -> NoReturn:
    sys.exit(143)


def _show(stack: Stack) -> int:
    _say("Hookline demo: a receiver, a worker and a Redis of its own, and real HTTP.")
    try:
        _need(stack.becomes_ready(), "`hookline up` does not become ready")
        _Walk(stack).go()
        code = stack.stop()
        _need(code == 0, f"`hookline up` should end with 0 on Ctrl-C, ended with {code}")
    except StepError as reason:
        _say(f"\nnot ok: {reason}", *("  | " + line for line in stack.last_lines()))
        return 1
    _say("\nEvery step passed. Everything is stopped and removed. Next: hookline up (or make up)")
    return 0


class _Walk:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._kind = KINDS[SOURCE]
        secret = stored_secret(stack.data_dir, SOURCE)
        if secret is None:
            raise StepError(f"`hookline up` made no secret in {stack.data_dir}")
        self._secret = secret

    def go(self) -> None:
        webhook, raw = fixture("demo_webhook.json"), fixture("demo_raw_payload.json")

        _heading(1, "Voucherify reports that a customer got points")
        self._accepted(webhook)

        _heading(2, "the worker notifies")
        self._notified("Nadia Ferreira", "40 points", "2641")

        _heading(3, "the same webhook comes again: accepted, and not notified again")
        self._accepted(webhook)
        self._counted(accepted=2, processed=1, duplicate=1, created=1, sent=1)
        _need(len(self._stack.printed("Nadia Ferreira")) == 1, "the duplicate was notified again")

        _heading(4, "a raw payload without envelope; the URL names the event")
        self._accepted(raw, query=f"?event={EVENT}")
        self._notified("Tomas Lindgren", "15 points", "balance 15")

        _heading(5, "a wrong signature is rejected")
        self._posted(raw, 401, secret=Secret(b"not the secret"))

        _heading(6, "signed, but not JSON: kept as a dead letter")
        self._accepted(_NOT_JSON)
        self._counted(accepted=4, processed=2, duplicate=1, dead_at_intake=1, queued=0)
        self._shown("dead", "list")
        letters = self._read("dead", "list")
        _need(len(letters) == 1, f"expected one dead letter, found {len(letters)}")

        _heading(7, "every webhook is accounted for")
        self._shown("status")
        self._adds_up()

    def _accepted(self, body: bytes, query: str = "") -> None:
        self._posted(body, 202, secret=self._secret, query=query)

    def _posted(self, body: bytes, expected: int, *, secret: Secret, query: str = "") -> None:
        response: Response = self._stack.post(body, self._kind.sign(SignedRequest(body, {}), secret), query)
        line = f"POST /webhooks/{SOURCE}{query} -> {response.status} {response.text.strip()}"
        _need(response.status == expected, f"{line}, expected {expected}")
        _result(line)

    def _notified(self, *words: str) -> None:
        _need(self._stack.wait(lambda: self._stack.printed(*words)), f"no notification with {words}")
        lines = self._stack.printed(*words)
        _need(len(lines) == 1, f"notified {len(lines)} times")
        _result(lines[0])

    def _counted(self, **expected: int) -> None:
        counters: dict[str, Any] = {}

        def holds() -> bool:
            status = self._read("status")
            counters.update({name: status.get(name) for name in expected})
            return counters == expected

        _need(self._stack.wait(holds), f"expected the counters {expected}, found {counters}")
        _result(", ".join(f"{name} {count}" for name, count in expected.items()))

    def _adds_up(self) -> None:
        count = self._read("status")
        bodies = [count[name] for name in ("processed", "duplicate", "dead_at_intake", "queued")]
        notifications = [count[name] for name in ("sent", "skipped", "dead", "waiting")]
        _need(count["accepted"] == sum(bodies) == 4, f"the webhooks do not add up: {count}")
        _need(count["created"] == sum(notifications) == 2, f"the notifications do not add up: {count}")
        _result(
            f"webhooks {count['accepted']} = {' + '.join(map(str, bodies))}, "
            f"notifications {count['created']} = {' + '.join(map(str, notifications))}"
        )

    def _shown(self, *command: str) -> None:
        done = self._stack.run(*command)
        lines = [f"   {line.rstrip()}" for line in done.stdout.splitlines() if line.strip()]
        _say(f"   $ hookline {' '.join(command)}", *lines)
        _need(done.returncode == 0, f"`hookline {' '.join(command)}` failed: {done.stderr.strip()}")

    def _read(self, *command: str) -> Any:
        done = self._stack.run(*command, "--json")
        _need(done.returncode == 0, f"`hookline {' '.join(command)} --json` failed: {done.stderr.strip()}")
        return msgspec.json.decode(done.stdout)


def fixture(name: str) -> bytes:
    """A webhook of the demo, compact as the provider sends it."""
    return msgspec.json.format((resources.files("launcher.commands.demo") / name).read_bytes(), indent=-1)


def _heading(number: int, text: str) -> None:
    _say(f"\n{number}. {text}")


def _result(line: str) -> None:
    _say(f"   ok  {line}")


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _need(held: object, otherwise: str) -> None:
    if not held:
        raise StepError(otherwise)
