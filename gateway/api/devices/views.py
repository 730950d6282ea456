"""Devices of the store as documents of the API. Pure functions."""

from typing import Any

from gateway.api.devices.models import DeviceSummary, Drift, OutboxView, ReportView
from gateway.api.devices.store import ListedDevice, StoredDevice


def device_summary(device: ListedDevice | StoredDevice) -> DeviceSummary:
    """A device as a list shows it; of one that stands for itself its specs come apart."""
    names = [name for name in DeviceSummary.model_fields if name not in ("in_step", "labels", "specs", "held_back")]
    return DeviceSummary(
        **{name: getattr(device, name) for name in names},
        in_step=in_step(device),
        labels=dict(sorted(device.labels.items())),
        specs=tuple(device.specs) if isinstance(device, ListedDevice) else (),
        held_back=tuple(device.held_back or ()),
    )


def in_step(device: ListedDevice | StoredDevice) -> bool | None:
    """Whether the device applied what is desired; None where nothing is desired."""
    if device.desired_version is None:
        return None
    return device.reported_state == "applied" and device.reported_version == device.desired_version


def report_view(device: StoredDevice) -> ReportView | None:
    """What it reported last."""
    if device.reported_version is None:
        return None
    names = [name for name in ReportView.model_fields if name not in ("version", "state", "held_back")]
    return ReportView.model_validate(
        {name: getattr(device, name) for name in names}
        | {"version": device.reported_version, "state": device.reported_state, "held_back": device.held_back or ()}
    )


def outbox_view(device: StoredDevice) -> OutboxView | None:
    """What waits in its outbox."""
    return OutboxView.model_validate(device, from_attributes=True) if device.told_at is not None else None


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
