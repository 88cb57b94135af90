"""The files in deploy/kubernetes, rendered as kubectl does."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.deploy.containers import ROOT, Container
from tests.programs import KUBECTL, needs

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / "kubernetes.json").read_text())

Object = dict[str, Any]

needs_kubectl = needs(KUBECTL)


def render(folder: Path) -> list[Object]:
    """Return the objects of a folder with a kustomization.yaml."""
    done = subprocess.run([KUBECTL, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


@cache
def overlay(name: str) -> list[Object]:
    return render(FOLDER / "overlays" / name)


def named(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name)]
    return found


def workloads(objects: list[Object]) -> dict[str, Object]:
    """Return what runs pods, by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] in ("Deployment", "StatefulSet")}


def pod(workload: Object) -> Object:
    """Return the description of a workload's pods."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object) -> Container:
    """Return the only container of a workload's pods."""
    (described,) = pod(workload)["containers"]
    environment = {entry["name"]: entry["value"] for entry in described.get("env", ())}
    return Container(described["name"], tuple(described.get("args", ())), environment)


def faults(described: Object) -> list[str]:
    """Return what the schema of its kind says against an object."""
    kind = SCHEMAS["kinds"].get(f"{described['apiVersion']} {described['kind']}")
    assert kind, f"no schema: add {described['kind']} to tools/kubernetes_schemas.py"
    validator = Draft202012Validator({**kind, "$defs": SCHEMAS["$defs"]})
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(described)]
