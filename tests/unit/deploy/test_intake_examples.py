"""The examples of docs/examples/intake: settings, ports and metrics that there are, on a file that Compose takes."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from broker.runtime.settings_help import variables
from intake.hooks.metrics import HookMetrics
from intake.hooks.settings import IntakeSettings
from store.source_settings import MOST_BYTES

TOP = Path(__file__).resolve().parents[3]
FOLDER = TOP / "docs" / "examples" / "intake"


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def test_kubernetes_is_told_settings_and_a_metric_that_there_are() -> None:
    """Deployment, service and autoscaler name one another, and the intake's own ports."""
    by_kind = {one["kind"]: one for one in read("kubernetes.yaml")}
    assert set(by_kind) == {"Deployment", "Service", "HorizontalPodAutoscaler"}
    pod = by_kind["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert {one["name"] for one in container["env"]} <= {one.name for one in variables(IntakeSettings)}
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    defaults = {name: field.default for name, field in IntakeSettings.model_fields.items()}
    assert ports == {"hooks": defaults["hooks_port"], "metrics": defaults["http_port"]}
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])
    assert pod["spec"]["terminationGracePeriodSeconds"] > 2 * defaults["drain_s"]
    scaler = by_kind["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == by_kind["Deployment"]["metadata"]["name"]
    (metric,) = (one["pods"]["metric"]["name"] for one in scaler["metrics"])
    assert metric in {family.name for family in HookMetrics().registry.collect()}
    for one in (by_kind["Deployment"]["spec"]["selector"]["matchLabels"], by_kind["Service"]["spec"]["selector"]):
        assert one == pod["metadata"]["labels"]


def test_the_proxy_of_compose_reaches_the_intake() -> None:
    """On the network that both are on, at the port that it is told; bodies of any source pass."""
    (document,) = read("compose.yaml")
    schema = json.loads((TOP / "tests" / "data" / "compose-spec.json").read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []
    base = yaml.safe_load((TOP / "deploy" / "compose.yaml").read_text("utf-8"))
    proxy, intake = document["services"]["hooks-proxy"], base["services"]["intake"]
    added = document["services"]["intake"]
    assert set(added["environment"]) <= {one.name for one in variables(IntakeSettings)}
    (mount,) = added["volumes"]
    volume, folder = mount.split(":")
    assert added["environment"]["WATTLINE_INTAKE_RATES_FILE"].startswith(f"{folder}/")
    assert document["volumes"][volume]["driver_opts"]["type"] == "tmpfs"
    assert "hooks" in set(proxy["networks"]) & set(intake["networks"])
    text = (FOLDER / "nginx.conf").read_text("utf-8")
    assert f"server intake:{intake['environment']['WATTLINE_INTAKE_HOOKS_PORT']} " in text
    (most,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(most) * 2**20 >= MOST_BYTES
    mounted = {one.split(":")[0].removeprefix("../") for one in proxy["volumes"]}
    assert "docs/examples/intake/nginx.conf" in mounted
