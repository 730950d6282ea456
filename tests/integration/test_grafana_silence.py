"""Who is silent: one definition for the dashboard's number, its table and the alert rule."""

from datetime import UTC, datetime

from tests.rigs.grafana.asking import BOARDS, ask, choices, firing
from tests.rigs.grafana.year import Year, connected
from tests.rigs.rollups import METERS, SLOW
from tests.rigs.servers import Database

MORE = """
INSERT INTO device (name, online) VALUES ('pi-off', false);
INSERT INTO meter (key, device_id, spec, installed_at)
    SELECT v.key, d.id, v.spec, now() - interval '2 hours'
    FROM (VALUES ('U:heard', 'pi-1', NULL), ('U:gone', 'pi-1', NULL), ('OFF:1', 'pi-off', 'test@1')
         ) v (key, device, spec)
    JOIN device d ON d.name = v.device;
INSERT INTO frame (received_at, device_id, meter_id, topic, kind, reason, data, delivery)
    SELECT now() - f.ago, m.device_id, m.id, 't', 'frame', 'no_spec', 'x', gen_random_uuid()
    FROM (VALUES ('U:heard', interval '5 minutes'), ('U:gone', interval '50 minutes')) f (key, ago)
    JOIN meter m ON m.key = f.key;
"""


async def test_dashboard_and_rule_agree(each_edition: Database) -> None:
    """Hourly, daily, new and unknown meters by their own pace; those of an offline device are its own rule's matter."""
    async with connected(each_edition) as opened:
        await opened.execute(METERS + SLOW + MORE)
    now = datetime.now(UTC)
    here = Year(each_edition, "", None, now, now)  # type: ignore[arg-type]
    uid = "wattline-fleet"
    mains = ["TST:1", "TST:2", "TST:3", "U:heard", "U:gone", "OFF:1"]
    chosen = choices(BOARDS[uid]) | {"device": ["pi-1", "pi-off"], "meter": mains}
    table = await ask(here, uid, "Silent meters", chosen=chosen)
    silent = {row["Meter"]: row["Usually every"] for row in table}
    assert silent == {"G:dead": 3600, "TST:2": 900, "TST:3": None, "U:gone": None, "OFF:1": None}
    assert {row["Meter"] for row in table if row["Last heard"] is None} == {"TST:3", "OFF:1"}
    (attention,) = await ask(here, uid, "To look at", chosen=chosen)
    assert attention["Silent meters"] == len(silent)
    assert {row["meter"] for row in await firing(here, "meter-silent")} == set(silent) - {"OFF:1"}
    one = "wattline-meter"
    for meter, heard in (("G:dead", 0), ("G:hour", 1)):
        (state,) = await ask(here, one, "Newest values", chosen=choices(BOARDS[one]) | {"meter": meter})
        assert state["Readings"] == heard
    # meters behind one that is not chosen are left out
    few = await ask(here, uid, "Silent meters", chosen=chosen | {"meter": ["TST:2"]})
    assert [row["Meter"] for row in few] == ["TST:2"]
