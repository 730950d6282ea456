"""The benchmark of the store, at a size that shows it works."""

from benchmarks.store import NO_COMPRESSION, bench


async def test_it_reports_sizes_and_times() -> None:
    """Bytes a reading raw and compressed, and each question's times beside the plain table's."""
    report = await bench(10_000, compressed_series=50)
    assert report["readings"] == 10_000
    assert report["bytes_per_reading_raw"] > 0
    assert (report["bytes_per_reading_compressed"] is None) == (
        report["bytes_per_reading_compressed_why"] == NO_COMPRESSION
    )
    assert 0 < report["community"]["bytes_per_reading_compressed"] < report["community"]["bytes_per_reading_raw"]
    for name in ("meter_day", "fleet_hour", "year_by_month"):
        for queries in (report["queries"], report["queries_plain_table"]):
            assert 0 < queries[name]["p50_ms"] <= queries[name]["p95_ms"]
