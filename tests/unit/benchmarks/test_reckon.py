"""The arithmetic of docs/SCALE.md."""

from pathlib import Path

import pytest

from benchmarks.reckon import Measured, reckon, table

PAGE = Path(__file__).parents[3] / "docs" / "SCALE.md"


def test_a_fleet_is_the_sum_of_its_meters() -> None:
    """Ten thousand meters at a quarter-hour, by hand; ten times the meters take ten times of all."""
    few, many = (reckon(meters, 900, 1, Measured()) for meters in (10_000, 100_000))
    assert few.messages_s == pytest.approx(11.11, abs=0.01)
    assert few.rows_s == pytest.approx(111.1, abs=0.1)
    assert few.raw_gb == pytest.approx(10_000 * 96 * 10 * 89.9e-9)
    assert many.wal_mbit_s == pytest.approx(10 * few.wal_mbit_s)


def test_gathering_saves_messages_and_no_rows() -> None:
    """Fifteen samples a message: a fifteenth of the ledger, all of the readings."""
    each, gathered = (reckon(1_000, 60, together, Measured()) for together in (1, 15))
    assert gathered.ledger_gb == pytest.approx(each.ledger_gb / 15)
    assert gathered.raw_gb == each.raw_gb
    assert gathered.cores < each.cores


def test_the_page_has_the_table_that_is_reckoned() -> None:
    """`python -m benchmarks.reckon` prints what the page says."""
    assert "\n".join(table(Measured())) in PAGE.read_text("utf-8")
