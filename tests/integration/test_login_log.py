"""Who tried to log in at the broker: counted, in the audit, and bounded, as several gateways hear it."""

import pytest
from pydantic import SecretStr

from broker.errors import RefusedError
from broker.mqtt.session import Session, SessionOptions
from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings, rows
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

HAMMERS = 40
AUDITED = "SELECT actor, status, result FROM audit WHERE action = 'logInAtBroker' ORDER BY at"


async def follows(running: Gateway) -> bool:
    """Whether a gateway hears the broker's log: its own logins are in it."""
    return await running.metric("wattline_gateway_broker_logins_total", result="let_in") > 0


async def try_in(broker: Broker, user: str, password: str, client_id: str) -> bool:
    """Whether somebody is let in."""
    address = broker.by_password("gateway").model_copy(update={"username": user, "password": SecretStr(password)})
    async with Session(address, SessionOptions(client_id)) as session:
        try:
            await session.wait_connected()
        except RefusedError:
            return False
        return True


async def test_logins_are_counted_and_a_flood_is_a_line(own_broker: Broker, database: Database) -> None:
    """Refused ones by name and minute, people by the hour, once however many gateways hear it."""
    await own_broker.server.add_users({"wattline-anna": "x"}, role="engineer")
    settings = [gateway_settings(own_broker, database, logins_s=1) for _ in "ab"]
    async with gateway(settings[0]) as one, gateway(settings[1]) as other:
        for each in (one, other):
            # the log is followed by who comes after it was asked for
            async def heard(each: Gateway = each) -> bool:
                return await try_in(own_broker, "wattline-anna", "x", "wattline-anna") and await follows(each)

            await until(heard, "it follows the log")
        for _ in range(HAMMERS):
            assert not await try_in(own_broker, "pi-1", "wrong", "pi-1")

        async def counted(each: Gateway) -> bool:
            return await each.metric("wattline_gateway_broker_logins_total", result="refused") == HAMMERS

        for each in (one, other):
            await until(lambda each=each: counted(each), "all are counted")
        shown = (
            "SELECT coalesce(sum(times), 0)::int AS times FROM broker_login_overview WHERE refused AND name = 'pi-1'"
        )

        async def entered() -> bool:
            (found,) = await rows(database, shown)
            return bool(found["times"] >= HAMMERS / 2)

        await until(entered, "they are in the store")
        audited = await rows(database, AUDITED)
        refused = [row for row in audited if row["status"] == 401]
        minutes = await rows(database, "SELECT at FROM broker_login WHERE refused")
        assert len(refused) == len(minutes) <= 3, "a line a minute, not one for each gateway"
        assert all((row["actor"], "as 'pi-1'" in row["result"]) == ("-", True) for row in refused)
        people = [row["actor"] for row in audited if row["status"] == 200]
        hours = await rows(database, "SELECT at FROM broker_login WHERE name = 'wattline-anna'")
        assert people == ["wattline-anna"] * len(hours)

        async def figures() -> bool:
            found = await rows(
                database, "SELECT gateway FROM gateway_gauge_overview WHERE gauge = 'enrolments_waiting'"
            )
            return {row["gateway"] for row in found} == {each.client_id for each in settings}

        await until(figures, "figures of both are there for boards")


async def test_no_client_id_hides_a_login_or_its_address(own_broker: Broker, database: Database) -> None:
    """One of 1 200 characters, by which Mosquitto cuts its line, one that looks like an address, another person's."""
    await own_broker.server.add_users({"wattline-bob": "x"}, role="engineer")
    settings = gateway_settings(own_broker, database, logins_s=1)
    ingestor = own_broker.password("ingestor")
    async with gateway(settings) as one:

        async def heard() -> bool:
            return await try_in(own_broker, "wattline-bob", "x", "wattline-bob") and await follows(one)

        await until(heard, "it follows the log")
        long, address = "B" * 1200, "pi-9 [203.0.113.7:1]"
        assert not await try_in(own_broker, "wattline-bob", "x", long), "a person's client id is the login"
        assert not await try_in(own_broker, "wattline-bob", "wrong", address)
        # services choose their client ids: whoever has a service's password is let in, and told
        assert await try_in(own_broker, "ingestor", ingestor, long)

        async def told() -> set[tuple[str, str, int, str]]:
            found = await rows(database, f"SELECT address, {AUDITED.removeprefix('SELECT ')}")
            return {(row["actor"], row["address"], row["status"], row["result"][-40:]) for row in found}

        wanted = {
            ("-", "-", 401, f"as '{'B' * 80}'"[-40:]),
            ("-", "-", 401, f"refused 1 times in a minute as '{address}'"[-40:]),
            ("-", "127.0.0.1", 200, "the broker's log hides whose login it is"[-40:]),
            ("wattline-bob", "127.0.0.1", 200, "let in, once an hour"),
        }

        async def all_told() -> bool:
            return await told() >= wanted

        await until(all_told, "each is in the audit")
        assert {line[1] for line in await told()} == {"-", "127.0.0.1"}


async def test_who_is_counted_is_in_the_audit(own_broker: Broker, database: Database) -> None:
    """Once, also where the gateway loses the database between both."""
    settings = gateway_settings(own_broker, database, logins_s=1)
    counted = "SELECT at FROM broker_login WHERE refused"
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO audit%'"
    async with gateway(settings) as one, connection(database) as holds:

        async def refused() -> bool:
            assert not await try_in(own_broker, "pi-1", "wrong", "pi-1")
            return await one.metric("wattline_gateway_broker_logins_total", result="refused") > 0

        async with holds.transaction():
            await holds.execute("LOCK TABLE audit IN SHARE MODE")
            await until(refused, "it follows the log")
            await until(lambda: rows(database, waits), "it is about to enter it")
            (writer,) = await rows(database, waits)
            await rows(database, "SELECT pg_terminate_backend($1)", writer["pid"])
            assert await rows(database, counted) == []

        async def entered() -> bool:
            lines = [row for row in await rows(database, AUDITED) if row["status"] == 401]
            return len(lines) > 0 and len(lines) == len(await rows(database, counted))

        await until(entered, "each minute is a line")


@pytest.mark.parametrize("who", ["pi-1", "wattline-anna"])
async def test_nobody_else_reads_the_log(own_broker: Broker, who: str) -> None:
    """It names every login and address: neither a device nor an engineer is given it."""
    if who == "pi-1":
        await own_broker.server.add_user(who, "x")
    else:
        await own_broker.server.add_users({who: "x"}, role="engineer")
    address = own_broker.by_password("gateway").model_copy(update={"username": who, "password": SecretStr("x")})
    options = SessionOptions(who, subscriptions=(("$SYS/broker/log/N", 0),))
    async with Session(address, options) as session:
        with pytest.raises(RefusedError):
            await session.wait_connected()
