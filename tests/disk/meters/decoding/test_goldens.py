"""Goldens of specs in files."""

from pathlib import Path

from meters.decoding.goldens import check
from meters.wires.encode.p1 import encode_p1
from tests.rigs.goldens import LINES, WHOLE, golden, spec


def test_captures_are_checked_where_they_are(tmp_path: Path) -> None:
    """Without the folder a capture golden is left out; with it, it must hold; a missing file is a difference."""
    refers = spec(golden(**WHOLE, frame={"capture": "p1/one.txt"}))
    assert check(refers) == []
    assert check(refers, captures=tmp_path / "none") == []
    (tmp_path / "p1").mkdir()
    assert [difference.place for difference in check(refers, captures=tmp_path)] == ["frame"]
    (tmp_path / "p1" / "one.txt").write_bytes(encode_p1("XYZ5TEST", LINES))
    assert check(refers, captures=tmp_path) == []
