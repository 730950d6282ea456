"""Files cut into portions of whole records."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError
from ingestor.worker.lines import cut, heading

BLANK = b' \t\r\n";'


def test_a_portion_ends_with_a_record() -> None:
    """An end of line inside quotes ends none, a blank line is none, and each record knows its line."""
    data = b'a;b\r\n\r\n"x\ny";1\n;;\nlast;2'
    found = cut(data, whole=False, quoted=True, blank=BLANK, most=10)
    assert (data[: found.bytes], found.lines, found.numbers) == (data[:-6], 5, [0, 2])
    found = cut(data, whole=True, quoted=True, blank=BLANK, most=10)
    assert (found.bytes, found.lines, found.numbers) == (len(data), 6, [0, 2, 5])
    assert cut(data, whole=True, quoted=True, blank=BLANK, most=1).bytes == 5
    assert cut(b'"open\n', whole=False, quoted=True, blank=BLANK, most=1).bytes == 0
    assert cut(b'{"a": "', whole=False, quoted=False, blank=BLANK, most=1).bytes == 0


@given(
    st.lists(st.lists(st.text('a";\n x', max_size=6), min_size=1, max_size=3), min_size=1, max_size=12),
    st.integers(1, 4),
)
def test_portions_together_are_the_file(rows: list[list[str]], most: int) -> None:
    """Whatever stands in cells: each record in one portion, in order, and as many as a CSV reader finds."""
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows(rows)
    data, records, size = text.getvalue().encode(), 0, 0
    while size < len(data):
        found = cut(data[size:], whole=True, quoted=True, blank=BLANK, most=most)
        assert found.bytes
        assert len(found.numbers) <= most
        part = data[size : size + found.bytes].decode()
        read = [row for row in csv.reader(io.StringIO(part, newline=""), delimiter=";") if any(c.strip() for c in row)]
        records += len(read)
        size += found.bytes
    assert records == sum(any(cell.strip() for cell in row) for row in rows)


def test_what_stands_above_the_records() -> None:
    """Lines to skip, then the names; without a header nothing is taken for one."""
    data = b"Report of 2026\nmade by us\nid;kwh\n7;1\n"
    names, above = heading(data, skip_lines=2, header=True, blank=BLANK)
    assert (names, above.bytes, above.lines) == (b"id;kwh\n", 33, 3)
    names, above = heading(data, skip_lines=2, header=False, blank=BLANK)
    assert (names, above.bytes, above.lines) == (b"", 26, 2)
    with pytest.raises(ContractError, match="no header"):
        heading(b"\n\n", skip_lines=0, header=True, blank=BLANK)
