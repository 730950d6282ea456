"""The benchmark of the store, at a size that shows it works."""

from datetime import timedelta

from benchmarks.store import NO_COMPRESSION, bench
from benchmarks.store_community import CommunityLoad


async def test_it_reports_sizes_and_times() -> None:
    """Bytes a reading raw and compressed, and each question's times beside the plain table's."""
    report = await bench(10_000, CommunityLoad(50, meters=20, dense_days=2, sparse=timedelta(days=60), runs=2))
    assert report["readings"] == 10_000
    assert report["bytes_per_reading_raw"] > 0
    assert (report["bytes_per_reading_compressed"] is None) == (
        report["bytes_per_reading_compressed_why"] == NO_COMPRESSION
    )
    assert 0 < report["community"]["bytes_per_reading_compressed"] < report["community"]["bytes_per_reading_raw"]
    for name in ("meter_day", "fleet_hour", "year_by_month"):
        for queries in (report["queries"], report["queries_plain_table"], report["community"]["asked"]["queries"]):
            assert 0 < queries[name]["p50_ms"] <= queries[name]["p95_ms"]
