"""Prometheus' rules ask for metrics that the services have, and each says what to do."""

import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from gateway.metrics import Metrics as GatewayMetrics
from ingestor.metrics import Metrics as IngestorMetrics
from ingestor.worker.mappings.metrics import MappingMetrics
from ingestor.worker.mappings.store import PayloadCounts
from ingestor.worker.metrics import WorkerMetrics
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.settings import BridgeSettings
from intake.hooks.metrics import HookMetrics
from intake.hooks.settings import IntakeSettings
from outlet.metrics import OutletMetrics
from outlet.settings import OutletSettings

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
LOSSES = (
    "wattline_bridge_events_lost_total",
    "wattline_bridge_proposals_refused_total",
    "wattline_bridge_qos0_dropped",
    "wattline_bridge_sources_faulty",
    "wattline_worker_payload_oldest_seconds",
    "wattline_worker_payloads_unmapped",
    "wattline_worker_payloads_dropped_total",
    "wattline_worker_sources_put_off_total",
    "wattline_intake_connections_refused_total",
    "wattline_outlet_working",
    "wattline_outlet_look_failures_total",
    "wattline_outlet_lines_behind_seconds",
    "wattline_outlet_lines_refused_total",
    "wattline_outlet_publish_refused_total",
)
"""What foreign data loses, waits for or is refused: each has a rule that was tried on figures over time."""
_LABEL = re.compile(r'\b(wattline_[a-z0-9_]+)\{(\w+)=(~?)"([^"]*)"\}')
_NAME = re.compile(r"\bwattline_[a-z0-9_]+\b")


def _registries() -> tuple[CollectorRegistry, ...]:
    worker, outlet = WorkerMetrics(), OutletMetrics()
    MappingMetrics(worker.registry).show([PayloadCounts("acme", 0, 0, 0.0)])
    outlet.watch("lines", lambda: (True, ""))
    made = (worker, outlet, GatewayMetrics(), IngestorMetrics(), HookMetrics(), BridgeMetrics())
    return tuple(one.registry for one in made)


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "wattline.rules.yml").read_text())["groups"]
    return list(group["rules"])


def _known(registry: CollectorRegistry) -> set[str]:
    found = set()
    for family in registry.collect():
        found |= {family.name, f"{family.name}_total"} if family.type == "counter" else {family.name}
    return found


def test_rules_ask_for_what_there_is() -> None:
    """A misspelt name would be a rule that never fires."""
    known = set().union(*map(_known, _registries()))
    for rule in _rules():
        assert set(_NAME.findall(rule["expr"])) <= known, rule["alert"]
        assert set(_NAME.findall(rule["annotations"]["description"])) <= known, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_rules_ask_for_labels_that_there_are() -> None:
    """Each value, or alternative of a pattern, is one that the service shows, with 0 before the first."""
    shown = {
        (sample.name, name, value)
        for registry in _registries()
        for family in registry.collect()
        for sample in family.samples
        for name, value in sample.labels.items()
    }
    asked = [found for rule in _rules() for found in _LABEL.findall(rule["expr"])]
    assert {name for name, _, _, _ in asked} >= {"wattline_intake_refused_total", "wattline_bridge_messages_total"}
    for metric, label, pattern, text in asked:
        for value in text.split("|") if pattern else [text]:
            if metric != "wattline_worker_jobs":  # its kinds come from the store
                assert (metric, label, value) in shown


def test_what_foreign_data_loses_has_a_rule_that_was_tried() -> None:
    """`promtool test rules` is by hand; that each of these rules is in it is held here."""
    rules = {rule["alert"]: set(_NAME.findall(rule["expr"])) for rule in _rules()}
    document = yaml.safe_load((FOLDER / "wattline.tests.yml").read_text())
    assert document["rule_files"] == ["wattline.rules.yml"]
    cases = [case for test in document["tests"] for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert fired <= rules.keys()
    assert set(LOSSES) <= set().union(*(rules[name] for name in fired))


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
