"""What an export writes, and how far it goes."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.export.routes import ExportQuery, ExportRow
from store.export.cells import cell
from store.export.formats import COLUMNS


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_name_is_no_formula(name: str) -> None:
    """A meter's key that a spreadsheet would run stands as text; values and codes are as they are."""
    assert cell(name) == "'" + name
    assert (cell(-1.5), cell("1-0:1.8.0"), cell(None), cell(True)) == (-1.5, "1-0:1.8.0", None, "true")


def test_the_api_s_document_names_every_column() -> None:
    """What stands in each export is always there, the rest may be."""
    names = [{name for name, _ in columns} for columns in COLUMNS.values()]
    assert set().union(*names) == ExportRow.model_fields.keys()
    assert set.intersection(*names) == {name for name, field in ExportRow.model_fields.items() if field.is_required()}


def test_years_of_nothing_are_not_read() -> None:
    """The end lies a year ahead at most; what is wholly later is an empty range, not a refused one."""
    now = datetime.now(UTC)
    query = ExportQuery.model_validate({"from": now - timedelta(days=1), "to": datetime(9999, 12, 31, tzinfo=UTC)})
    assert query.selection().end - now < timedelta(days=367)
    later = ExportQuery.model_validate({"from": now + timedelta(days=900), "to": now + timedelta(days=901)}).selection()
    assert later.start == later.end
