"""Tests of deploy/kubernetes: the overlays render, are valid, and keep what they promise."""

from __future__ import annotations

import copy
import re
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from inspector.site import STOP_S
from launcher.composition.components import _MARGIN_S as MARGIN_S
from launcher.config.config import load
from receiver.settings import Settings as ReceiverSettings
from tests.deploy.compose import SERVICES, filled_in
from tests.deploy.containers import ROOT
from tests.deploy.kubernetes import (
    FOLDER,
    OVERLAYS,
    Object,
    faults,
    named,
    needs_kubectl,
    overlay,
    pod,
    render,
    workloads,
)
from worker.settings import Settings as WorkerSettings

pytestmark = needs_kubectl
EVENTS_A_WORKER = 3_500


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return overlay(request.param)


def test_every_object_is_valid_by_the_schema_of_its_kind(objects: list[Object]) -> None:
    assert [fault for each in objects for fault in faults(each)] == []


def test_the_schemas_know_no_other_fields_and_types() -> None:
    worker = copy.deepcopy(named(overlay("small"), "Deployment", "worker"))
    worker["spec"]["replicas"] = "two"
    pod(worker)["containers"][0]["readynessProbe"] = {}
    scaling = copy.deepcopy(named(overlay("production"), "ScaledObject", "worker"))
    scaling["spec"]["maxReplicas"] = 8
    assert len(faults(worker)) == 2
    assert len(faults(scaling)) == 1


def test_pods_have_no_more_rights_than_they_need(objects: list[Object]) -> None:
    for workload in workloads(objects).values():
        spec = pod(workload)
        (described,) = spec["containers"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert described["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert described["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in described["resources"]["limits"]


def test_secrets_are_files_that_only_the_group_of_the_pod_can_read(objects: list[Object]) -> None:
    assert not [each for each in objects if each["kind"] == "Secret"]
    for workload in workloads(objects).values():
        assert "valueFrom" not in str(pod(workload)["containers"])
        (volume,) = [volume for volume in pod(workload)["volumes"] if volume["name"] == "secrets"]
        described = volume.get("projected") or volume["secret"]
        assert not described["defaultMode"] & (stat.S_IROTH | stat.S_IWOTH)
        assert pod(workload)["securityContext"]["fsGroup"]


def test_pods_get_longer_to_stop_than_the_parts_need(objects: list[Object]) -> None:
    receiver, worker = ReceiverSettings(), WorkerSettings()
    grace = {name: pod(each)["terminationGracePeriodSeconds"] for name, each in workloads(objects).items()}
    before = pod(workloads(objects)["receiver"])["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace["receiver"] > before + receiver.shutdown_timeout_s + receiver.flush_timeout_s + MARGIN_S
    assert grace["worker"] > 2 * worker.stop_grace_s + MARGIN_S
    assert grace["inspector"] > STOP_S + MARGIN_S


def test_a_drain_of_a_node_takes_one_receiver_and_one_worker_at_a_time(objects: list[Object]) -> None:
    for name in ("receiver", "worker"):
        budget = named(objects, "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == workloads(objects)[name]["spec"]["selector"]


def test_selectors_of_policies_and_services_find_pods(objects: list[Object]) -> None:
    pods = [workload["spec"]["template"]["metadata"]["labels"] for workload in workloads(objects).values()]
    for each in objects:
        selector = each.get("spec", {}).get("podSelector", {}).get("matchLabels")
        if each["kind"] == "Service":
            selector = each["spec"]["selector"]
        if selector:
            assert any(selector.items() <= labels.items() for labels in pods), each["metadata"]["name"]


def test_the_network_is_closed_but_for_what_each_part_needs(objects: list[Object]) -> None:
    everybody = named(objects, "NetworkPolicy", "hookline")["spec"]
    assert everybody["policyTypes"] == ["Ingress", "Egress"]
    for name in ("receiver", "worker", "inspector"):
        labels = workloads(objects)[name]["spec"]["template"]["metadata"]["labels"]
        assert everybody["podSelector"]["matchLabels"].items() <= labels.items()
    metrics = {rule["port"] for rule in everybody["ingress"][0]["ports"]}
    open_ports = [port for part in ("receiver", "worker", "inspector") for port in ports_of(objects, part)]
    assert metrics == {port["containerPort"] for port in open_ports if port["containerPort"] != 8081}
    (outside,) = named(objects, "NetworkPolicy", "worker")["spec"]["egress"]
    assert outside["to"][0]["ipBlock"]["except"] == ["169.254.0.0/16"]


def ports_of(objects: list[Object], name: str) -> list[Object]:
    ports: list[Object] = pod(workloads(objects)[name])["containers"][0]["ports"]
    return ports


def test_probes_ask_ports_that_the_container_names(objects: list[Object]) -> None:
    for name in ("receiver", "worker", "inspector"):
        described = pod(workloads(objects)[name])["containers"][0]
        paths = {
            probe: described[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert [get["path"] for get in paths.values()] == ["/healthz", "/healthz", "/readyz"]
        assert {get["port"] for get in paths.values()} <= {port["name"] for port in described["ports"]}


def test_receivers_with_a_disk_are_stateful_and_otherwise_the_same() -> None:
    base = workloads(overlay("small"))["receiver"]
    assert base["kind"] == "StatefulSet"
    (claim,) = base["spec"]["volumeClaimTemplates"]
    settings = ReceiverSettings()
    assert claim["spec"]["resources"]["requests"]["storage"] == f"{2 * settings.spill_max_bytes // 2**30}Gi"
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(base)["containers"][0]["volumeMounts"]}
    environment = {entry["name"]: entry["value"] for entry in pod(base)["containers"][0]["env"]}
    assert mounts[claim["metadata"]["name"]] == environment["HOOKLINE_RECEIVER_SPILL_DIR"]


def test_the_redis_has_the_options_of_the_compose_file() -> None:
    (described,) = pod(workloads(overlay("small"))["redis"])["containers"]
    assert described["image"] == SERVICES["redis"]["image"]
    assert described["command"] == [filled_in(word, {}) for word in SERVICES["redis"]["command"]]
    assert described["readinessProbe"]["exec"]["command"][-1] == filled_in(
        SERVICES["redis"]["healthcheck"]["test"][1], {}
    )


def test_the_config_is_valid_and_its_change_replaces_the_pods() -> None:
    config = load(FOLDER / "base" / "hookline.toml", {})
    assert config.receiver.durability == "fsync"
    name = named(overlay("small"), "ConfigMap", "hookline")["metadata"]["name"]
    assert re.fullmatch(r"hookline-\w{10}", name)
    for part in ("receiver", "worker", "inspector"):
        volumes = pod(workloads(overlay("small"))[part])["volumes"]
        assert {"name": "config", "configMap": {"name": name}} in volumes


def test_the_numbers_of_the_scaling_follow_from_the_measured_performance() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    (worker_us,) = re.findall(r"^\| 1 partition \| (\d+) us \|", page, re.MULTILINE)
    (redis_a_second,) = re.findall(r"^\| 1 partition, one Redis \| .* = ([\d,]+) \|", page, re.MULTILINE)
    assert pytest.approx(1e6 / float(worker_us) / 2, rel=0.01) == EVENTS_A_WORKER
    spec = named(overlay("production"), "ScaledObject", "worker")["spec"]
    backlog, age = spec["triggers"]
    assert float(backlog["metadata"]["threshold"]) == pytest.approx(EVENTS_A_WORKER * 30, rel=0.05)
    assert float(age["metadata"]["threshold"]) == 30
    assert spec["maxReplicaCount"] == int(redis_a_second.replace(",", "")) // 2 // EVENTS_A_WORKER
    assert "replicas" not in workloads(overlay("production"))["worker"]["spec"]


def test_the_alert_rules_are_those_that_were_tested() -> None:
    tested = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert named(overlay("production"), "PrometheusRule", "hookline")["spec"] == tested, (
        "copy the groups of deploy/prometheus/alerts.yml into deploy/kubernetes/components/monitoring/alerts.yaml"
    )


def test_the_overlay_of_the_page_adds_an_ingress_for_webhooks_only(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    shop = tmp_path / "overlays" / "shop"
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    shop.mkdir()
    for name, text in re.findall(r"^```yaml\n# (\w+\.yaml).*?\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        (shop / name).write_text(text)
    (shop / "hookline.toml").write_text("[log]\n")
    objects = render(shop)
    assert [fault for each in objects for fault in faults(each)] == []
    (rule,) = named(objects, "Ingress", "receiver")["spec"]["rules"]
    assert [path["path"] for path in rule["http"]["paths"]] == ["/webhooks/"]
    assert named(objects, "ConfigMap", "hookline")["data"] == {"hookline.toml": "[log]\n"}
    images = {pod(each)["containers"][0]["image"] for each in workloads(objects).values()}
    assert images == {"registry.shop.example/hookline:0.1.0"}


def test_the_page_makes_every_secret_that_the_pods_mount(objects: list[Object]) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"secret generic (\S+)(.*)", page)
    made = {name: set(re.findall(r"--from-file=(\w+)=", keys)) for name, keys in commands}
    for workload in workloads(objects).values():
        mounted = re.findall(r"'(?:name|secretName)': '(hookline-\w+)'", str(pod(workload)["volumes"]))
        files = set(re.findall(r"/run/secrets/(\w+)", str(pod(workload)["containers"])))
        needed = [name for name in mounted if name in made]
        assert files <= set().union(*(made[name] for name in needed))
