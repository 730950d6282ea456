"""What a point of delivery consumed while its meters were swapped, on both editions: figures reckoned by hand."""

from decimal import Decimal

from gateway.fleet.store.registers import fill_registers
from tests.rigs.rollups import POINTS, Store, fill, stay, store_of
from tests.rigs.servers import Database


async def read(store: Store, stay_id: int, kind: str, at: str, value: float) -> None:
    """A register that somebody read from the meter."""
    await store.connection.execute(
        "INSERT INTO meter_register (stay_id, meter_id, point_id, kind, obis, unit, value, at, read_by)"
        " SELECT id, meter_id, point_id, $2, '1-0:1.8.0', 'kWh', $3, $4::text::timestamptz, 'anna'"
        " FROM meter_stay WHERE id = $1",
        stay_id, kind, value, at,
    )  # fmt: skip


Point = list[tuple[str, str]]


async def by_point(store: Store, step: str, since: str = "2026-03-01Z", until: str = "2026-04-01Z") -> dict[int, Point]:
    """What the meters of each point consumed together: (start, kilowatt-hours)."""
    form = {"1h": "DD HH24", "15m": "DD HH24:MI", "1d": "MM-DD", "1mo": "YYYY-MM"}[step]
    rows = await store.rows(
        f"SELECT point_id, to_char(bucket AT TIME ZONE store_zone(), '{form}'), trim_scale(sum(value))::text"  # noqa: S608 - the test's own text
        f" FROM consumption_{step}('{since}'::timestamptz, '{until}'::timestamptz)"
        " WHERE point_id IS NOT NULL GROUP BY point_id, bucket ORDER BY bucket"
    )
    return {point: [row[1:] for row in rows if row[0] == point] for point in sorted({row[0] for row in rows})}


async def swapped(store: Store) -> None:
    """Five houses and eight meters, of which one moves."""
    await fill(store, 8)
    await store.execute(POINTS)
    # 1: read by hand at 01:22, between the last reading of the old meter and the first of the new one
    old, new = await stay(store, 1, 1, "2026-01-01Z", "2026-03-10 01:25Z"), await stay(store, 1, 2, "2026-03-10 01:25Z")
    await store.add(1, ("2026-03-10T00:00Z", 8000.0), ("2026-03-10T01:00Z", 8001.5), ("2026-03-10T01:20Z", 8002.0))
    await store.add(2, ("2026-03-10T01:25Z", 12345.8), ("2026-03-10T02:00Z", 12346.8), ("2026-03-10T03:00Z", 12347.6))
    await read(store, old, "closing", "2026-03-10 01:22Z", 8002.3)
    await read(store, new, "opening", "2026-03-10 01:22Z", 12345.6)
    # 2: no reading for hours before the swap, and for a day after it
    old, new = await stay(store, 2, 3, "2026-01-01Z", "2026-03-09 12:00Z"), await stay(store, 2, 4, "2026-03-10 12:00Z")
    await store.add(3, ("2026-03-09T00:00Z", 500.5), ("2026-03-09T02:00Z", 501.5))
    await store.add(4, ("2026-03-10T12:00Z", 12357.6), ("2026-03-10T13:00Z", 12358.0))
    await read(store, old, "closing", "2026-03-09 12:00Z", 506.5)
    await read(store, new, "opening", "2026-03-09 12:00Z", 12345.6)
    # 3 and 4: a meter, whose clock is ahead, leaves 3 for 4, and counted elsewhere in between; its successor at 3 had
    # readings from before
    await stay(store, 3, 5, "2026-01-01Z", "2026-03-10 01:10Z")
    await stay(store, 4, 5, "2026-03-10 05:10Z")
    await stay(store, 3, 6, "2026-03-10 01:30Z")
    await store.add(5, ("2026-03-10T00:00Z", 300.0), ("2026-03-10T01:00Z", 301.0), ("2026-03-10T01:20Z", 301.5))
    await store.add(5, ("2026-03-10T05:10Z", 340.0), ("2026-03-10T06:00Z", 341.0), ("2026-03-10T07:00Z", 343.0))
    await store.add(6, ("2026-03-01T00:00Z", 10.0), ("2026-03-10T01:30Z", 70.0), ("2026-03-10T02:00Z", 70.4))
    # 5: as the gateway finds them in the readings, one of which is a last zero
    await stay(store, 5, 7, "2026-01-01Z", "2026-03-10 01:20Z")
    await stay(store, 5, 8, "2026-03-10 01:30Z")
    await store.add(7, ("2026-03-10T00:00Z", 100.0), ("2026-03-10T01:00Z", 102.0), ("2026-03-10T01:29Z", 0.0))
    await store.add(8, ("2026-03-10T01:30Z", 0.0), ("2026-03-10T02:00Z", 0.5), ("2026-03-10T03:00Z", 1.0))
    stays = [row[0] for row in await store.rows("SELECT id FROM meter_stay")]
    await fill_registers(store.connection, stays)


async def test_a_point_counts_from_register_to_register(each_edition: Database) -> None:
    """To the old meter's closing register and from the new one's opening, in and out of readings, at each step."""
    async with store_of(each_edition) as store:
        await swapped(store)
        for _ in range(2):
            steps = {step: await by_point(store, step) for step in ("15m", "1h", "1d", "1mo")}
            assert {point: part for point, part in steps["1h"].items() if point != 2} == {
                1: [("10 00", "1.5"), ("10 01", "2"), ("10 02", "0.8"), ("10 03", "0")],  # 01: 0.8 and 1.2
                3: [("10 00", "1"), ("10 01", "0.9"), ("10 02", "0")],
                4: [("10 05", "1"), ("10 06", "2"), ("10 07", "0")],
                5: [("10 00", "2"), ("10 01", "0.5"), ("10 02", "0.5"), ("10 03", "0")],
            }
            assert steps["1d"][2] == [("03-09", "12"), ("03-10", "6.4")]
            # half a kilowatt from 02:00 on to the swap, and again from the swap on
            assert steps["1h"][2][:2] == [("09 00", "0.5"), ("09 01", "0.5")]
            assert [value for _, value in steps["1h"][2]] == ["0.5"] * 36 + ["0.4", "0"]
            assert await by_point(store, "1h", "2026-03-09 11:00Z", "2026-03-09 13:00Z") == {
                2: [("09 11", "0.5"), ("09 12", "0.5")]
            }
            assert steps["1mo"] == {
                point: [("2026-03", total)] for point, total in enumerate(("4.3", "18.4", "1.9", "3", "3"), 1)
            }
            for parts in steps.values():
                assert {point: [("2026-03", added(part))] for point, part in parts.items()} == steps["1mo"]
            await store.roll_up()


def added(part: Point) -> str:
    return f"{sum(Decimal(value) for _, value in part).normalize():f}"


async def test_a_meter_counts_also_where_it_stands_at_no_point(each_edition: Database) -> None:
    """What it counted before it came, on its way, or after somebody read it off, is the meter's, and no point's."""
    async with store_of(each_edition) as store:
        await swapped(store)
        await store.add(1, ("2026-03-10T04:00Z", 8002.3), ("2026-03-10T05:00Z", 8002.5))
        found = await store.rows(
            "SELECT series_id, point_id, trim_scale(sum(value))::text, min(bucket), max(bucket_end)"
            " FROM consumption_1h('2026-03-01Z', '2026-03-11Z', ARRAY[1, 5, 6])"
            " GROUP BY 1, 2 ORDER BY 1, 2"
        )
        assert [(*row[:3], row[3].day, row[3].hour, row[4].hour) for row in found] == [
            (1, 1, "2.3", 10, 0, 2),
            (1, None, "0.2", 10, 4, 6),
            (5, 3, "1.5", 10, 0, 2),
            (5, 4, "3", 10, 5, 8),
            (5, None, "38.5", 10, 1, 6),
            (6, 3, "0.4", 10, 1, 3),
            (6, None, "60", 1, 0, 2),
        ]  # fmt: skip
        # what somebody read stays, though the gateway looks again
        assert await store.rows("SELECT value FROM meter_register WHERE read_by = 'anna' ORDER BY value") == [
            (506.5,), (8002.3,), (12345.6,), (12345.6,),
        ]  # fmt: skip
