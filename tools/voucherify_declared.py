"""Extract what Voucherify's OpenAPI schema of webhooks declares: keys, their types, and which keys are required.

    python -m tools.voucherify_declared OpenAPIWebhooks.json > sources/voucherify/schema/declared.json

The result holds facts only, and no text of the vendor: `events` maps the name of an event to the number of the
shape of its `data`; `shapes` lists objects as key -> type. A type is a list of alternatives, separated by `|`:
`null`, `string`, `integer`, `number`, `boolean`, `any`, `object` (nothing is declared about its keys), `#3` (an
object of shape 3), `[...]` (a list of such items), `{...}` (an object with free keys and such values), and
`string(A,B)` if only these values are allowed. A key that ends in `!` is required; `*` means all keys that are
not listed.

Alternatives (`oneOf`) and parts (`allOf`) of an object become one shape that accepts whatever any of them
accepts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PREFIX = "#/components/schemas/"
# Some keys of the schema differ from the event's name: start of the key -> start of the name.
_RENAMED = {
    "redemption": "redemption",
    "bus_val_rule": "business_validation_rule",
    "distribution.manual_distribution_schedule": "manual_distribution_schedule",
}


class Shapes:
    """Collects the shapes of one schema document without repetitions."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self._numbers: dict[str, int] = {}
        self.shapes: list[dict[str, str]] = []

    def number(self, parts: list[dict[str, Any]]) -> int:
        """Return the number of the shape that these object schemas form together."""
        name = json.dumps(parts, sort_keys=True, default=sorted)
        if name not in self._numbers:
            self._numbers[name] = len(self.shapes)
            self.shapes.append({})
            self.shapes[self._numbers[name]] = self._keys(parts)
        return self._numbers[name]

    def _keys(self, parts: list[dict[str, Any]]) -> dict[str, str]:
        by_key: dict[str, list[dict[str, Any]]] = {}
        others: list[dict[str, Any]] = []
        for part in parts:
            for key, schema in part.get("properties", {}).items():
                by_key.setdefault(key, []).append(schema)
            if isinstance(part.get("additionalProperties"), dict):
                others.append(part["additionalProperties"])
        required = frozenset.intersection(*(part["required"] for part in parts))
        keys = {key + "!" * (key in required): self.text(schemas) for key, schemas in sorted(by_key.items())}
        return keys | ({"*": self.text(others)} if others else {})

    def text(self, schemas: Iterable[dict[str, Any]]) -> str:
        """Return the type of a value that any of these schemas accepts."""
        alternatives = [one for schema in schemas for one in self._alternatives(schema)]
        texts: set[str] = set()
        objects: list[dict[str, Any]] = []
        items: list[dict[str, Any]] = []
        values: list[dict[str, Any]] = []
        for one in alternatives:
            if one["type"] == "object" and (one["properties"] or isinstance(one["additionalProperties"], dict)):
                (objects if one["properties"] else values).append(one)
            elif one["type"] == "array":
                items.append(one["items"])
            else:
                texts.add(_simple(one))
        if objects:
            texts.add(f"#{self.number(objects)}")
        if values and not objects:
            texts.add("{" + self.text([one["additionalProperties"] for one in values]) + "}")
        if items:
            texts.add(f"[{self.text(items)}]")
        if "any" in texts:
            return "any"
        if any(text.startswith(("#", "{")) for text in texts):
            texts.discard("object")
        return "|".join(sorted(_joined(texts)))

    def _alternatives(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """Return everything that a value may be, as flat schemas without references."""
        own = {key: value for key, value in schema.items() if key not in {"$ref", "allOf", "oneOf", "anyOf"}}
        found = [_flat(own)]
        if "$ref" in schema:
            found = _both(found, self._alternatives(self._schemas[schema["$ref"].removeprefix(_PREFIX)]))
        for part in schema.get("allOf", ()):
            found = _both(found, self._alternatives(part))
        for choices in (schema.get("oneOf"), schema.get("anyOf")):
            if choices:
                found = _both(found, [one for choice in choices for one in self._alternatives(choice)])
        nullable = [_flat({"type": "null"})] if schema.get("nullable") else []
        return [one for one in found if not (nullable and one["type"] == "null")] + nullable


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type") or ("object" if "properties" in schema else "any")
    return {
        "type": kind,
        "enum": tuple(schema.get("enum", ())) if isinstance(schema.get("enum"), list) else (),
        "properties": schema.get("properties", {}),
        "required": frozenset(schema.get("required", ())),
        "additionalProperties": schema.get("additionalProperties"),
        "items": schema.get("items", {}),
    }


def _both(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join two lists of alternatives: types that only one side names stay as they are, objects are merged."""
    joined = []
    for one in left:
        for other in right:
            if "null" in (one["type"], other["type"]):
                joined.append(_flat({"type": "null"}))
            elif one["type"] == "any":
                joined.append(_merged(other, one))
            else:
                joined.append(_merged(one, other))
    return list({json.dumps(one, sort_keys=True, default=sorted): one for one in joined}.values())


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    properties = dict(one["properties"])
    for key, schema in other["properties"].items():
        if key in properties and properties[key] != schema:
            schema = {"oneOf": [properties[key], schema]}  # noqa: PLW2901 - the joined schema takes its place
        properties[key] = schema
    return one | {
        "enum": one["enum"] or other["enum"],
        "properties": properties,
        "required": one["required"] | other["required"],
        "additionalProperties": one["additionalProperties"] or other["additionalProperties"],
        "items": one["items"] or other["items"],
    }


def _simple(one: dict[str, Any]) -> str:
    allowed = [value for value in one["enum"] if isinstance(value, str) and not set(value) & set("|(),")]
    return f"string({','.join(sorted(allowed))})" if one["type"] == "string" and allowed else str(one["type"])


def _joined(texts: set[str]) -> set[str]:
    """Merge the value lists of strings into one; a free string replaces them all."""
    listed = {text for text in texts if text.startswith("string(")}
    if not listed or "string" in texts:
        return texts - listed
    values = sorted({value for text in listed for value in text[7:-1].split(",")})
    return (texts - listed) | {f"string({','.join(values)})"}


def event_name(key: str) -> str:
    """Return the event's name for a webhook's key in the schema, such as `EVENTS.BUS_VAL_RULE.CREATED`."""
    name = key.removeprefix("EVENTS.").lower()
    for start, renamed in _RENAMED.items():
        if name == start or name.startswith(start + "."):
            return renamed + name.removeprefix(start)
    return name


def declared(document: dict[str, Any]) -> dict[str, Any]:
    """Return the whole table of one schema document."""
    shapes = Shapes(document["components"]["schemas"])
    events = {}
    for key, webhook in document["webhooks"].items():
        schema = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]
        events[event_name(key)] = int(shapes.text([schema]).removeprefix("#"))
    return {"events": dict(sorted(events.items())), "shapes": shapes.shapes}


def main() -> None:
    """Read the schema and print the table, one shape per line."""
    table = declared(json.loads(Path(sys.argv[1]).read_text()))
    lines = ",\n".join(json.dumps(shape, separators=(",", ":")) for shape in table["shapes"])
    events = json.dumps(table["events"], indent=1)
    sys.stdout.write(f'{{"events": {events},\n"shapes": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
