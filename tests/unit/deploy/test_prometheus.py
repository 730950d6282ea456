"""Prometheus' rules ask for metrics that the services have, and each says what to do."""

import re
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry

from gateway.metrics import Metrics as GatewayMetrics
from ingestor.metrics import Metrics as IngestorMetrics
from ingestor.worker.metrics import WorkerMetrics
from intake.bridge.metrics import BridgeMetrics
from intake.hooks.metrics import HookMetrics
from outlet.metrics import OutletMetrics
from outlet.settings import OutletSettings

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
_NAME = re.compile(r"\bwattline_[a-z_]+\b")


def _known(registry: CollectorRegistry) -> set[str]:
    found = set()
    for family in registry.collect():
        found |= {family.name, f"{family.name}_total"} if family.type == "counter" else {family.name}
    return found


def test_rules_ask_for_what_there_is() -> None:
    """A misspelt name would be a rule that never fires."""
    registries = (
        GatewayMetrics().registry,
        IngestorMetrics().registry,
        WorkerMetrics().registry,
        HookMetrics().registry,
        OutletMetrics().registry,
        BridgeMetrics().registry,
    )
    known = set().union(*map(_known, registries))
    (group,) = yaml.safe_load((FOLDER / "wattline.rules.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert set(_NAME.findall(rule["expr"])) <= known, rule["alert"]
        assert set(_NAME.findall(rule["annotations"]["description"])) <= known, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_service_is_scraped() -> None:
    """On the ports that are the services' own."""
    text = (FOLDER / "prometheus.yml").read_text()
    document = yaml.safe_load(text)
    targets = {one["job_name"]: one["static_configs"][0]["targets"] for one in document["scrape_configs"]}
    assert targets == {
        "wattline-gateway": ["127.0.0.1:8080"],
        "wattline-ingestor": ["127.0.0.1:8081"],
        "wattline-worker": ["127.0.0.1:8082"],
        "wattline-intake": ["127.0.0.1:8091"],
        "wattline-outlet": ["127.0.0.1:8087"],
        "wattline-bridge": ["127.0.0.1:8088"],
    }
    assert document["rule_files"] == ["wattline.rules.yml"]
    with_outlet = yaml.safe_load(re.sub(r"^  # (?=- |  )", "  ", text, flags=re.MULTILINE))["scrape_configs"]
    port = OutletSettings.model_fields["http_port"].default
    assert with_outlet[-1] == {
        "job_name": "wattline-outlet", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]
    }  # fmt: skip
