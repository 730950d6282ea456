"""Settings of the store: what is refused, and with which words."""

import pytest

from store.edition import rendered
from store.settings import SettingError, StoreSettings, days, merged


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"zone": "Mars/Olympus"}, "zone", "Europe/Warsaw"),
        ({"zone": "Warsaw"}, "zone", "did you mean Europe/Warsaw?"),
        ({"zone": "europe/warsaw"}, "zone", "did you mean Europe/Warsaw?"),
        ({"zone": "Europe/Warszaw"}, "zone", "did you mean Europe/Warsaw?"),
        ({"zone": "new york"}, "zone", "did you mean America/New_York?"),
        ({"keep_readings": "soon"}, "keep_readings", "90d"),
        ({"keep_readings": "3d"}, "keep_readings", "give 7d or more"),
        ({"keep_rollup_15m": "12w"}, "keep_rollup_15m", "give 93d or more"),
        ({"compress_after": "400d", "keep_readings": "1y"}, "compress_after", "less than keep_readings"),
        ({"compress_after": "2h"}, "compress_after", "give 1d or more"),
        ({"hash_partitions": "many"}, "hash_partitions", "docs/STORE.md"),
        ({"hash_partitions": "65"}, "hash_partitions", "64"),
        ({"tablespaces": "one,two words"}, "tablespaces", "docs/STORE.md"),
        ({"tablespaces": "one,two,one"}, "tablespaces", "one is named twice"),
    ],
)
def test_refused(given: dict[str, str], field: str, words: str) -> None:
    """A setting that can't hold is refused by its name as an option and as a variable, with what would do."""
    with pytest.raises(SettingError) as caught:
        merged({}, given)
    assert caught.value.field == field
    assert f"--{field.replace('_', '-')} (WATTLINE_STORE_{field.upper()})" in str(caught.value)
    assert words in str(caught.value)


def test_given_over_saved_over_defaults() -> None:
    """What is given now counts most, then what was saved; what nobody knows any more is left out."""
    settings = merged({"zone": "Asia/Kolkata", "keep_events": "10d", "gone": "1"}, {"keep_events": "20d"})
    assert (settings.zone, settings.keep_events, settings.keep_messages) == ("Asia/Kolkata", "20d", "90d")
    assert merged({}, settings.stored()) == settings


def test_spans() -> None:
    """Hours to years, and for ever."""
    assert [days(span) for span in ("36h", "90d", "2w", "10y")] == [1.5, 90, 14, 3650]
    assert days("forever") == float("inf")


@pytest.mark.parametrize("edition", ["apache", "community"])
def test_files_are_rendered_whole(edition: str) -> None:
    """No placeholder is left over; functions of all editions come first, so that an edition may replace one."""
    files = rendered(edition, StoreSettings(zone="America/Argentina/Buenos_Aires", keep_readings="forever"))
    folders = [path.rpartition("/")[0] for path in files]
    assert sorted(set(folders), key=folders.index) == ["functions", f"editions/{edition}"]
    assert folders.count(f"editions/{edition}") == {"apache": 5, "community": 6}[edition]
    assert not [name for name, sql in files.items() if "{{" in sql]


@pytest.mark.parametrize(
    ("zone", "source"),
    [
        ("Europe/Warsaw", "rollup_1h"),
        ("UTC", "rollup_1h"),
        ("Asia/Kolkata", "rollup_15m"),
        ("Australia/Lord_Howe", "rollup_15m"),
    ],
)
def test_what_the_running_day_is_made_of(zone: str, source: str) -> None:
    """Of hours, but of quarter-hours where a midnight may lie within an hour, be it only in summer."""
    views = rendered("apache", StoreSettings(zone=zone))["editions/apache/30_rollup_views.sql"]
    days = views.partition("VIEW rollup_1d")[2].partition("VIEW rollup_1mo")[0]
    assert f"FROM {source}\n" in days


def test_zones_have_aggregates_of_their_own() -> None:
    """Two zones that differ in a sign do not share days."""
    names = [
        rendered("community", StoreSettings(zone=f"Etc/GMT{sign}1"))["editions/community/20_rollup_views.sql"]
        for sign in "+-"
    ]
    assert names[0] != names[1]
