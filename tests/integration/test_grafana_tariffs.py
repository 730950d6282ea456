"""Meters with tariff registers only, beside one that has the total as well: shown everywhere, and counted once."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.rigs.grafana.asking import BOARDS, ask, choices, firing
from tests.rigs.grafana.year import Year, connected
from tests.rigs.servers import Database

ONLY, BOTH = "M:tariffs", "M:both"
FILL = """
INSERT INTO device (name, online) VALUES ('d1', true);
INSERT INTO meter (key, device_id, installed_at)
    SELECT v, d.id, now() - interval '3 days' FROM device d, unnest(ARRAY['M:tariffs', 'M:both']) v;
CREATE TEMP TABLE register AS
SELECT * FROM (VALUES ('1-0:1.8.1', 100.1, 0.25), ('1-0:1.8.2', 200.2, 0.05), ('1-0:1.8.0', 300.3, 0.3),
                      ('1-0:2.8.1', 10.0, 0.125), ('1-0:2.8.2', 5.0, 0), ('1-0:2.8.0', 15.0, 0.125)
              ) v (obis, base, step);
INSERT INTO series (meter_id, obis, unit, kind)
    SELECT m.id, g.obis, 'kWh', 'register' FROM meter m, register g WHERE m.key = 'M:both' OR g.obis NOT LIKE '%.0';
INSERT INTO reading
SELECT q.at, g.base + g.step * q.n, s.id, 0
FROM series s
JOIN register g ON g.obis = s.obis
CROSS JOIN (
    SELECT at, row_number() OVER (ORDER BY at) - 1 AS n
    FROM generate_series($1::timestamptz, $2::timestamptz, '15 minutes') at
) q;
"""


async def filled(database: Database, first: datetime, last: datetime) -> Year:
    """A reading of each register every quarter of an hour, from the first to the last of them."""
    async with connected(database) as opened:
        *prepare, readings = FILL.strip().removesuffix(";").split(";\n")
        await opened.execute(";".join(prepare))
        await opened.execute(readings, first, last)
    return Year(database, "", ZoneInfo("UTC"), first, last)


async def drawn(here: Year, board: str, title: str, meter: str, **more: str) -> list[dict[str, Any]]:
    """The rows of a panel."""
    uid = f"wattline-{board}"
    meters = [ONLY, BOTH] if board == "fleet" else meter
    return await ask(here, uid, title, chosen=choices(BOARDS[uid]) | {"device": ["d1"], "meter": meters} | more)


def midnight_and_last_quarter() -> tuple[datetime, datetime]:
    """Today's midnight, and when the quarter of an hour began that is now."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight, datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC)


async def test_a_quarter_hour_in_which_readings_begin_has_no_power(each_edition: Database) -> None:
    """What was seen of it is no mean of all of it, and would be the base load."""
    midnight, last = midnight_and_last_quarter()
    first = midnight - timedelta(days=1, minutes=-5)
    here = await filled(each_edition, first, last)
    (figures,) = await drawn(here, "load-profile", "In figures", BOTH, direction="import")
    assert (figures["Mean"], figures["Base load"], figures["Load factor"]) == pytest.approx((1.2, 1.2, 1.0))
    typical = await drawn(here, "load-profile", "Typical day", BOTH, direction="import")
    powers = [power for row in typical for name, power in row.items() if name != "time" and power is not None]
    assert powers == pytest.approx([1.2] * len(powers))
    assert powers


async def test_tariffs_stand_for_the_total(each_edition: Database) -> None:
    """Registers, energy, load profile, cost and the rule of jumps of both kinds of meters are the same."""
    midnight, last = midnight_and_last_quarter()
    first = midnight - timedelta(days=1)
    here = await filled(each_edition, first, last)
    shown = partial(drawn, here)
    steps, today = ((last - since) // timedelta(minutes=15) for since in (first, midnight))
    for meter in (ONLY, BOTH):
        stands = pytest.approx(300.3 + 0.3 * steps), pytest.approx(15 + 0.125 * steps)
        (now_at,) = await shown("meter", "Newest values", meter)
        # in the decimals of its registers: tariffs have two of the import, the total one
        decimals = 2 if meter == ONLY else 1
        assert now_at["Import register"] == f"{300.3 + 0.3 * steps:.{decimals}f} kWh"
        assert now_at["Export register"] == f"{15 + 0.125 * steps:.3f} kWh"
        (of_fleet,) = [row for row in await shown("fleet", "Meters", meter) if row["Meter"] == meter]
        assert (of_fleet["Register"], of_fleet["Export register"]) == stands
        assert float(of_fleet["Energy today"] or 0) == pytest.approx(0.3 * today)
        (energy,) = await shown("meter", "Import", meter)
        assert (energy["Today"] or 0, energy["Yesterday"]) == pytest.approx((0.3 * today, 0.3 * 96))
        for direction, kw in (("import", 1.2), ("export", 0.5)):
            (figures,) = await shown("load-profile", "In figures", meter, direction=direction)
            assert (figures["Peak"], figures["Base load"], figures["Quarter-hours"]) == (
                pytest.approx(kw), pytest.approx(kw), steps)  # fmt: skip
        cost = {row["Tariff"]: row for row in await shown("meter", "Cost by tariff", meter)}
        assert {name: row["Energy"] for name, row in cost.items()} == pytest.approx(
            {"import T1": 0.25 * steps, "import T2": 0.05 * steps, "export T1": 0.125 * steps, "export T2": 0}
        )
        # a tariff of feeding in has the price of the total
        assert {name: row["Price"] for name, row in cost.items()} == {
            "import T1": 0.32, "import T2": 0.24, "export T1": -0.08, "export T2": -0.08}  # fmt: skip
    (fleet,) = await shown("fleet", "Energy today", "")
    assert float(fleet["Energy today"] or 0) == pytest.approx(2 * 0.3 * today)
    async with connected(each_edition) as opened:
        await opened.execute(
            "INSERT INTO reading SELECT now(), 9000, s.id, 0 FROM series s JOIN meter m ON m.id = s.meter_id"
            " WHERE m.key = 'M:tariffs' AND s.obis IN ('1-0:1.8.2', '1-0:2.8.1')"
        )
    assert sorted(row["obis"] for row in await firing(here, "jump")) == ["1-0:1.8.2", "1-0:2.8.1"]
