"""What is told of a device: whether it is in step, what it reported, where it differs from what it is to have."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.api.devices.models import ReportView
from gateway.api.devices.store import StoredDevice
from gateway.api.devices.views import drift, in_step, outbox_view, report_view

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
DESIRED = {"parameters": {"reading_interval_s": 10.0, "obis_include": ["*"]}, "meters": {"KFM:1": {"spec": "a@1"}}}


def reported(effective: dict[str, Any], specs: dict[str, str]) -> ReportView:
    return ReportView(
        version=1, state="applied", in_force=1, probation=False, watched=None, held_back=(), reasons=[],
        effective=effective, specs=specs, at=AT, received_at=AT,
    )  # fmt: skip


SAME = {"reading_interval_s": 10.0, "obis_include": ["*"]}


@pytest.mark.parametrize(
    ("desired", "report", "fields"),
    [
        (None, reported(SAME, {}), {}),
        (DESIRED, None, {}),
        (DESIRED, reported(SAME, {"KFM:1": "a@1"}), {}),
        # what an agent has beyond what it is to have is no drift: it may know more than this gateway
        (DESIRED, reported({**SAME, "newer": 1}, {"KFM:1": "a@1", "KFM:2": "b@1"}), {}),
        (DESIRED, reported(SAME | {"reading_interval_s": 6}, {"KFM:1": "a@1"}), {"parameters.reading_interval_s": 6}),
        (DESIRED, reported({"obis_include": ["*"]}, {"KFM:1": "a@1"}), {"parameters.reading_interval_s": None}),
        (DESIRED, reported(SAME, {}), {"meters.KFM:1.spec": None}),
        (DESIRED, reported(SAME, {"KFM:1": "a@2"}), {"meters.KFM:1.spec": "a@2"}),
        ({"meters": {"KFM:1": {"spec": None}}}, reported(SAME, {}), {}),
    ],
)  # fmt: skip
def test_each_difference_is_named_with_both_values(
    desired: dict[str, Any] | None, report: ReportView | None, fields: dict[str, Any]
) -> None:
    """Parameters by name, specs by meter; nothing where one side is unknown."""
    assert {one.field: one.reported for one in drift(desired, report)} == fields


def stored(**known: Any) -> StoredDevice:
    """A device of which no more is known."""
    return StoredDevice(**{one.name: None for one in fields(StoredDevice)} | known)


@pytest.mark.parametrize(
    ("desired", "version", "state", "expected"),
    [
        (None, None, None, None),
        # what it applied of a time before its configuration was taken away says nothing of today
        (None, 3, "applied", None),
        (3, None, None, False),
        (3, 3, "applied", True),
        (3, 2, "applied", False),
        (3, 4, "applied", False),
        (3, 3, "refused", False),
        (3, 3, "reverted", False),
    ],
)
def test_in_step_is_who_applied_the_very_version(
    desired: int | None, version: int | None, state: str | None, expected: bool | None
) -> None:
    assert in_step(stored(desired_version=desired, reported_version=version, reported_state=state)) is expected


def test_what_was_never_reported_is_no_report() -> None:
    """Neither of the configuration nor of the outbox; and agents of before `held_back` held nothing back."""
    assert (report_view(stored()), outbox_view(stored())) == (None, None)
    known = {"reasons": [], "effective": {}, "specs": {}, "at": AT, "received_at": AT, "probation": False}
    found = report_view(stored(reported_version=4, reported_state="applied", in_force=4, **known))
    assert found is not None
    assert (found.version, found.state, found.held_back, found.watched) == (4, "applied", (), None)
    outbox = outbox_view(
        stored(told_at=AT, waiting=7, waiting_for_s=61.5, unconfirmed=0, unconfirmed_for_s=0.0, online=True)
    )
    assert outbox is not None
    assert (outbox.told_at, outbox.waiting, outbox.waiting_for_s, outbox.unconfirmed) == (AT, 7, 61.5, 0)
