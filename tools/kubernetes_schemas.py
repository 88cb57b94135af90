"""Writes the schemas that the tests check the files in deploy/kubernetes with. Run it for a newer Kubernetes:

uv run --with kubernetes-validate --with cloudcoil-models-keda --with cloudcoil-models-prometheus-operator \
    python -m tools.kubernetes_schemas

The packages are not in the extra `dev`, because they are large, and the models take half a minute to import.
"""

from __future__ import annotations

import importlib
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

KUBERNETES = "1.37.0"
KINDS = {
    "apps/v1": ("apps.v1", ("Deployment", "StatefulSet")),
    "v1": ("core.v1", ("ConfigMap", "Namespace", "Service")),
    "networking.k8s.io/v1": ("networking.v1", ("Ingress", "NetworkPolicy")),
    "policy/v1": ("policy.v1", ("PodDisruptionBudget",)),
}
"""The kinds of Kubernetes itself: by the version of the API, where the definitions are, and the names."""

FILE = Path(__file__).parents[1] / "tests" / "deploy" / "schemas" / "kubernetes.json"


def main() -> None:
    """Write one file with the schemas of all kinds, without descriptions. Unknown fields are not valid."""
    all_definitions = of_kubernetes()
    kinds: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for version, (package, names) in KINDS.items():
        for name in names:
            definition = f"io.k8s.api.{package}.{name}"
            kinds[f"{version} {name}"] = {"$ref": f"#/$defs/{definition}"}
            add(definition, all_definitions, definitions)
    for group, module, names in (
        ("keda.sh/v1alpha1", "cloudcoil.models.keda.v1alpha1", ("ScaledObject",)),
        ("monitoring.coreos.com/v1", "cloudcoil.models.prometheus_operator.v1", ("PodMonitor", "PrometheusRule")),
    ):
        for name in names:
            schema = getattr(importlib.import_module(module), name).model_json_schema()
            definitions |= {f"{name}.{key}": value for key, value in schema.pop("$defs", {}).items()}
            definitions[name] = schema
            text = json.dumps({key: value for key, value in definitions.items() if key.startswith(name)})
            definitions |= json.loads(re.sub(r"#/\$defs/(?!\w+\.)", f"#/$defs/{name}.", text))
            kinds[f"{group} {name}"] = {"$ref": f"#/$defs/{name}"}
    document = {"kubernetes": KUBERNETES, "kinds": kinds, "$defs": strict(definitions)}
    FILE.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def of_kubernetes() -> dict[str, Any]:
    """Return the definitions of Kubernetes' own kinds, by name."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    definitions: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return definitions


def add(name: str, source: dict[str, Any], target: dict[str, Any]) -> None:
    """Copy a definition, and those that it refers to."""
    if name in target:
        return
    target[name] = source[name]
    for inner in re.findall(r'"#/\$defs/([^"]+)"', json.dumps(source[name])):
        add(inner, source, target)


def strict(schema: Any) -> Any:
    """Return the schema without texts, where an object has no other fields than those that are named."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: strict(value) for key, value in schema.items() if not is_text(key, value)}
    if isinstance(kept.get("properties"), dict):
        kept.setdefault("additionalProperties", False)
    return kept


def is_text(key: str, value: object) -> bool:
    """Return whether this part of a schema checks nothing."""
    return key.startswith("x-kubernetes") or (key in ("description", "title") and isinstance(value, str))


if __name__ == "__main__":
    main()
