"""Prometheus' rules ask for metrics that the services have, and each says what to do."""

import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from gateway.metrics import Metrics as GatewayMetrics
from ingestor.metrics import Metrics as IngestorMetrics
from ingestor.worker.metrics import WorkerMetrics
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.settings import BridgeSettings
from intake.hooks.metrics import HookMetrics
from intake.hooks.settings import IntakeSettings
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
    """On the ports that are the services' own; those that not everybody has are there to be taken in."""
    text = (FOLDER / "prometheus.yml").read_text()
    document = yaml.safe_load(text)
    assert _targets(document) == {
        "wattline-gateway": ["127.0.0.1:8080"],
        "wattline-ingestor": ["127.0.0.1:8081"],
        "wattline-worker": ["127.0.0.1:8082"],
    }
    assert document["rule_files"] == ["wattline.rules.yml"]
    whole = yaml.safe_load(re.sub(r"^  # (?=- |  )", "  ", text, flags=re.MULTILINE))
    more = {name: targets for name, targets in _targets(whole).items() if name not in _targets(document)}
    settings = {"intake": IntakeSettings, "bridge": BridgeSettings, "outlet": OutletSettings}
    assert more == {
        f"wattline-{name}": [f"127.0.0.1:{of.model_fields['http_port'].default}"] for name, of in settings.items()
    }


def _targets(document: dict[str, Any]) -> dict[str, list[str]]:
    return {one["job_name"]: one["static_configs"][0]["targets"] for one in document["scrape_configs"]}
