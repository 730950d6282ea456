"""Rows of the store as documents of the API. Pure functions."""

import json
from typing import Any

from gateway.api_models import DeviceSummary, Drift, ReportView


def device_summary(row: Any) -> DeviceSummary:
    """A row of list_devices.sql or device_detail.sql."""
    names = [name for name in DeviceSummary.model_fields if name not in ("in_step", "labels", "specs")]
    values = {name: row[name] for name in names}
    labels = dict(sorted(json.loads(row["labels"]).items()))
    values["held_back"] = row["held_back"] or ()
    return DeviceSummary(**values, in_step=in_step(row), labels=labels, specs=tuple(row.get("specs") or ()))


def in_step(row: Any) -> bool | None:
    """Whether the device applied what is desired; None where nothing is desired."""
    if row["desired_version"] is None:
        return None
    applied: bool = row["reported_state"] == "applied" and row["reported_version"] == row["desired_version"]
    return applied


def report_view(row: Any) -> ReportView | None:
    """The report in a row of device_detail.sql."""
    if row["reported_version"] is None:
        return None
    return ReportView(
        version=row["reported_version"],
        state=row["reported_state"],
        in_force=row["in_force"],
        probation=row["probation"],
        watched=row["watched"],
        held_back=row["held_back"] or (),
        reasons=json.loads(row["reasons"]),
        effective=json.loads(row["effective"]),
        specs=json.loads(row["specs"]),
        at=row["at"],
        received_at=row["received_at"],
    )


def drift(desired: dict[str, Any] | None, report: ReportView | None) -> tuple[Drift, ...]:
    """Where the effective values differ from the desired ones; nothing where either is unknown."""
    if desired is None or report is None:
        return ()
    parameters = desired.get("parameters", {})
    found = [
        Drift(field=f"parameters.{name}", desired=value, reported=report.effective.get(name))
        for name, value in parameters.items()
        if value != report.effective.get(name)
    ]
    for meter, config in desired.get("meters", {}).items():
        if config.get("spec") != report.specs.get(meter):
            found.append(
                Drift(field=f"meters.{meter}.spec", desired=config.get("spec"), reported=report.specs.get(meter))
            )
    return tuple(found)
