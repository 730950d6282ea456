"""The rates of decoding: each protocol has telegrams in the catalogue's goldens, and they give readings."""

from benchmarks.decoding import measure_decoding
from meters.telegram import Wire


def test_each_protocol_is_measured() -> None:
    """A protocol without a golden to measure by would have no rate, and nobody would miss it."""
    found = measure_decoding(least_s=0.0001)
    assert set(found) == {*(wire.value for wire in Wire), "p1 encrypted"}
    assert all(one.telegrams >= 10 and one.readings_s > one.telegrams_s for one in found.values())
    assert found["p1 encrypted"].telegrams == found["p1"].telegrams
