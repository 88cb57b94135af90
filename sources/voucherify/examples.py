"""Decodes example payloads: `python -m sources.voucherify.examples FILE`.

FILE is a JSON object, event name -> the `data` in the vendor's documentation. Each is decoded as a project
webhook, as a distribution webhook, and raw with the name in the URL; one line is printed for each. The exit code
is 1 if any of them is not typed in all three, 2 if FILE cannot be read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from sources.drift_finding import Finding
from sources.errors import DecodeError
from sources.voucherify.decoding.decode import decode
from sources.voucherify.decoding.envelope import Kind
from sources.voucherify.drift import compare
from sources.voucherify.models import MODELS

ENVELOPE_KINDS: tuple[Kind, ...] = ("project", "distribution", "raw")


class Checked(Struct, frozen=True):
    """The result for one example."""

    name: str
    model: str
    """The name of the struct of its `data`, "" without a model."""

    faults: tuple[str, ...]
    """The reasons why it does not count as decoded, one sentence each."""

    drift: tuple[Finding, ...]
    """Keys that the model does not know. They are no faults."""


def check(name: str, data: Any) -> Checked:
    """Decode one example in every kind of envelope, and the whole payload into its model."""
    model = MODELS.get(name)
    if model is None:
        return Checked(name, "", ("there is no model of this event",), ())
    faults = [fault for kind in ENVELOPE_KINDS if (fault := _fault_in(kind, name, data))]
    try:
        msgspec.convert(data, model)
    except msgspec.ValidationError as error:
        faults.append(f"whole: {error}")
    return Checked(name, model.__name__, tuple(faults), tuple(compare(name, data)))


def wrap(kind: Kind, name: str, data: Any) -> tuple[bytes, str]:
    """(body, event name in the URL) as Voucherify would send `data`."""
    if kind == "raw":
        return msgspec.json.encode(data), name
    project = kind == "project"
    return msgspec.json.encode(
        {
            "id": "whs_example",
            "project_id": "proj_example",
            "created_at": "2026-01-02T03:04:05.678Z",
            "type": name if project else "A title in free text",
            "data": data,
            "source": {
                "id": "wh_example" if project else "distr_example",
                "object": "webhook" if project else "distribution",
                "target_url": "https://hooks.example.com/webhooks/voucherify",
            },
            "event": {
                "id": "ev_example_1",
                "type": name,
                "created_at": "2026-01-02T03:04:05.000Z",
                "entity_id": "v_example",
                "group_id": "v-example",
                "event_source": {"channel": "API", "api_key": {"name": "shop", "app_id": "example"}},
            },
        }
    ), ""


def _fault_in(kind: Kind, name: str, data: Any) -> str | None:
    try:
        event = decode(*wrap(kind, name, data))
    except DecodeError as error:
        return f"{kind}: {error}"
    if not isinstance(event.data, Struct):
        return f"{kind}: not typed"
    if (event.name, event.kind) != (name, kind):
        return f"{kind}: taken for {event.name} ({event.kind})"
    return None


def report(checked: Checked) -> Iterator[str]:
    """Lines for the report: one for the example, one for each fault and each difference."""
    passed = "FAILED" if checked.faults else "ok in " + ", ".join(ENVELOPE_KINDS)
    yield f"{checked.name}  {checked.model or '-'}  {passed}  {len(checked.drift)} unknown to the model"
    for fault in checked.faults:
        yield f"    {fault}"
    for finding in checked.drift:
        yield f"    {finding.what} {finding.path} {finding.found}"


def main(arguments: list[str]) -> int:
    """Check a file of examples; returns the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m sources.voucherify.examples FILE\n")
        return 2
    try:
        examples = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=dict[str, Any])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot read examples: {error}\n")
        return 2
    results = [check(name, data) for name, data in examples.items()]
    failed = sum(bool(result.faults) for result in results)
    lines = [line for result in results for line in report(result)]
    lines.append(f"{len(results) - failed} of {len(results)} decode typed in all {len(ENVELOPE_KINDS)} envelopes")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
