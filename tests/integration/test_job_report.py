"""Reports by mail: true figures that tell what is missing, to each recipient once through a real mail server."""

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.jobs import job as job_command
from ingestor.reports.gathering import gathered
from ingestor.reports.period import last_whole
from store.kinds.report import REPORT, Period, ReportArguments
from store.pool import open_pool
from store.queue import enqueue
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, gateway, gateway_settings, rows
from tests.rigs.mailing import MailServer, mail_server
from tests.rigs.notices import Platform, platform_of
from tests.rigs.redecoding import ended, job, worker_process, worker_settings, working
from tests.rigs.rollups import METERS
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

FILL = """
INSERT INTO reading SELECT t, 100 + extract(epoch FROM t - '2026-03-01Z'::timestamptz) / 3600 * 0.25, 1, 0
    FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-11Z', '15 min') t;
INSERT INTO reading SELECT t, 2 + (t = '2026-03-09 18:30Z')::integer * 5.5, 2, 0
    FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-11Z', '15 min') t;
INSERT INTO reading SELECT t, 50 + extract(epoch FROM t - '2026-03-01Z'::timestamptz) / 3600, 3, 0
    FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-11Z', '15 min') t
    WHERE t NOT BETWEEN '2026-03-09 06:01Z' AND '2026-03-09 11:59Z';
INSERT INTO device_labels (device_id, labels, author) VALUES (1, '{"site": "gdynia"}', 'test');
INSERT INTO device (name) VALUES ('pi-2');
INSERT INTO meter (key, device_id, spec, installed_at) VALUES ('TST:9', 2, 'test@1', '2026-01-01Z');
"""
"""TST:1 is whole: 0.25 kW by its register; TST:2 gives nothing for six hours of 9 March; TST:3 never gave anything."""


@pytest.fixture
async def platform(database: Database, tmp_path: Path) -> Platform:
    async with connection(database) as opened:
        await opened.execute(METERS)
        await opened.execute(FILL)
    return platform_of(database, tmp_path)


def settings(platform: Platform, **changes: Any) -> Any:
    """Of a worker that may send to this machine."""
    more = {"notices_private": True, "notices": False, "meter_keys_file": platform.master_file}
    return worker_settings(platform.database, **{**more, **changes})


async def ask(database: Database, **more: Any) -> int:
    """Ask for the report of 9 March."""
    values = {"channel": "mail", "period": "day", "before": "2026-03-10T05:00:00Z", **more}
    async with connection(database) as opened, opened.transaction():
        found = await enqueue(opened, REPORT, ReportArguments(**values), author="anna")
    assert found is not None
    return found


def table(server: MailServer, number: int = 0) -> dict[str, dict[str, str]]:
    """The file of a mail by meter."""
    (file,) = server.taken[number][1].iter_attachments()
    return {row["meter"]: row for row in csv.DictReader(io.StringIO(file.get_content()))}


async def test_a_report_says_what_was_measured_and_what_is_missing(
    broker: Broker, platform: Platform, tmp_path: Path
) -> None:
    """Asked for at the command line; two texts that say the same, a file that is fetched, too, and cost."""
    words = ("channel=mail", "period=day", "before=2026-03-10T05:00:00Z", "site=gdy*", "currency=EUR")
    async with (
        mail_server() as server, gateway(gateway_settings(broker, platform.database)) as running,
        working(settings(platform)),
    ):  # fmt: skip
        await platform.channel("mail", server.url("ops@example.org"))
        asked = await typed(running, job_command, "run", "report", *words, 'prices={"1-0:1.8.0": 0.5}', "--json")
        assert asked.exit_code == 0, asked.output
        number = json.loads(asked.output)["job"]
        done = await ended(platform.database, number)
        fetched = await typed(running, job_command, "fetch", str(number), str(tmp_path / "a.csv"))
        assert fetched.exit_code == 0, fetched.output
    ((to, mail),) = server.taken
    assert (to, mail["From"], mail["To"]) == (["ops@example.org"], "reports@example.org", "ops@example.org")
    assert mail["Subject"] == "Energy report: 2026-03-09"
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    for text in (plain, html):
        assert "Import: 30.000 kWh, the sum of 2 meters; not known of 1 more, which are not counted." in text
        assert "Cost: 15.00 EUR by the prices that were given" in text
        assert "Not complete, or nobody can tell: 2 of 3 meters." in text
        assert "7.5 kW, within the hour from 2026-03-09 18:00" in text
        assert "no reading has ever come" in text
    found = table(server)
    assert list(found) == ["TST:1", "TST:2", "TST:3"]
    whole, holed, silent = found.values()
    assert (float(whole["energy"]), whole["quality"], whole["complete_percent"]) == (6, "measured", "100.0")
    assert (float(whole["highest_kw"]), whole["highest_within"]) == (7.5, "2026-03-09T18:00:00Z")
    assert (float(whole["cost"]), whole["currency"], whole["gaps"]) == (3, "EUR", "0")
    assert (float(holed["energy"]), holed["gaps"], holed["missing_readings"]) == (24, "1", "23")
    assert float(holed["complete_percent"]) == 75
    assert (silent["energy"], silent["quality"], silent["complete_percent"]) == ("", "none", "0.0")
    (file,) = mail.iter_attachments()
    assert (tmp_path / "a.csv").read_text().splitlines() == file.get_content().splitlines()
    result = json.loads(done["result"])
    assert (result["meters"], result["incomplete"], result["recipients"]) == (3, 2, 1)
    assert "ops@example.org" not in str(done)


async def test_each_recipient_gets_it_once_through_refusals_and_a_killed_worker(platform: Platform) -> None:
    """Who has it gets no second one, the others the same report; one refused for good is told, and not by name."""
    async with mail_server() as server:
        await platform.channel("mail", server.url("a@example.org", "b@example.org", "nobody@example.org"))
        server.answers.append("451 not now")
        server.recipients = {
            "b@example.org": ["250", "452 too many", "452 too many"], "nobody@example.org": ["550 unknown"] * 2
        }  # fmt: skip
        server.recipients["b@example.org"].pop(0)
        number = await ask(platform.database)
        async with worker_process(settings(platform)) as first:

            async def failed() -> bool:
                return bool((await job(platform.database, number))["failures"])

            await until(failed, "the server took nothing")
            first.kill()
            await first.wait()
        assert server.taken == []
        async with connection(platform.database) as opened:
            # readings that come later are not in the report: it is the same for all
            await opened.execute("INSERT INTO reading VALUES ('2026-03-09 07:00Z', 257, 3, 0)")
        await _hurry(platform.database, number)
        async with working(settings(platform)):

            async def one_has_it() -> bool:
                return (await job(platform.database, number))["failures"] == 2

            await until(one_has_it, "one of them has it")
            await _hurry(platform.database, number)
            done = await ended(platform.database, number)
    assert [to for to, _ in server.taken] == [["a@example.org"], ["b@example.org"]]
    first_mail, second = (mail for _, mail in server.taken)
    assert first_mail["Message-ID"] == second["Message-ID"]
    assert table(server, 0) == table(server, 1)
    result = json.loads(done["result"])
    assert (result["recipients"], result["refused"]) == (2, ["n***@example.org: 550 unknown"])


async def test_a_report_that_can_not_be_is_refused_when_it_is_asked_for(broker: Broker, platform: Platform) -> None:
    """By a channel that is none of e-mail, for a group or a meter that nobody has; schedules likewise."""
    await platform.channel("hook", "https://hooks.example.org/in")
    await platform.channel("mail", "mailto://127.0.0.1:9?from=w@example.org&to=o@example.org&mode=insecure")
    async with gateway(gateway_settings(broker, platform.database)) as running:
        for words, said in (
            (("channel=other", "period=day"), "arguments.channel: there is no channel 'other'"),
            (("channel=hook", "period=day"), "'hook' leads to https://hooks.example.org/***, which takes no report"),
            (("channel=mail", "period=year"), "arguments.period"),
            (("channel=mail", "period=day", "group=none"), "arguments.group: there is no group 'none'"),
            (("channel=mail", "period=day", 'meters=["X:1"]'), "arguments.meters: there is no meter 'X:1'"),
            (("channel=mail", "period=day", "before=0001-01-01T00:00:00Z"), "a time of the years 2000 to 2200"),
            (("channel=mail", "period=day", "currency=EUR"), "prices and currency belong together"),
            (("channel=mail", "period=day", "zone=Mars/Olympus"), "no IANA zone"),
        ):
            for command in (("run",), ("schedule", "set", "daily", "--cron", "0 5 * * *")):
                asked = await typed(running, job_command, *command, "report", *words)
                assert (asked.exit_code, said in " ".join(asked.output.split())) == (1, True), asked.output
        good = await typed(running, job_command, "schedule", "set", "daily", "report", "channel=mail", "period=day",
                           "before=$hour", "--cron", "0 5 * * *")  # fmt: skip
        assert good.exit_code == 0, good.output
    assert await rows(platform.database, "SELECT FROM job WHERE kind = 'report'") == []


async def test_energy_is_the_same_by_whichever_roll_up_it_is_told(platform: Platform) -> None:
    """Of another zone it is made of the days of the store within it and of quarters beside them; weeks, months too."""
    told: list[tuple[int, int]] = []

    async def tell(done: int, total: int) -> None:
        told.append((done, total))

    async def energies(period: Period, zone: str, before: str) -> list[tuple[str, float, str]]:
        span = last_whole(period, zone, datetime.fromisoformat(before))
        asked = ReportArguments(channel="mail", period=period, meters=("TST:1", "TST:2"))
        made = await gathered(pool, asked, span, zone, span.until, tell, of_store=zone == "UTC")
        return [(one.meter, float(line.value or 0), line.quality) for one in made.standings for line in one.lines]

    dsn = platform.database.dsn("wattline_ingestor")
    async with open_pool(dsn, min_size=1, max_size=1, application_name="test") as pool:
        day = [("TST:1", 6.0, "measured"), ("TST:2", 24.0, "measured")]
        for zone in ("UTC", "Africa/Abidjan", "Europe/Warsaw", "Asia/Kolkata"):
            assert await energies("day", zone, "2026-03-09T12:00:00Z") == day, zone
        assert await energies("week", "UTC", "2026-03-09T12:00:00Z") == [
            ("TST:1", 42.0, "measured"), ("TST:2", 168.0, "measured")
        ]  # fmt: skip
        assert await energies("month", "UTC", "2026-04-01T00:00:00Z") == [
            ("TST:1", 60.0, "part"), ("TST:2", 240.0, "part")
        ]  # fmt: skip
    assert told[-1] == (2, 2)


async def _hurry(database: Database, number: int) -> None:
    """Have a job that waits for another attempt taken now."""
    async with connection(database) as opened:
        await opened.execute("UPDATE pgqueuer SET execute_after = now() WHERE payload = $1", str(number).encode())
        await opened.execute("UPDATE job SET not_before = now() WHERE id = $1", number)
