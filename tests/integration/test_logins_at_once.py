"""Who may log in, decided by several at once: gateways that match the broker, people, enrolments and renewals."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from broker.contract.topics import Topics
from broker.mosquitto.control import Control
from broker.mosquitto.dynamic_security import Present, device_login
from broker.mosquitto.rights import ADMIN
from gateway.credentials.matching import difference
from gateway.credentials.store import credential_states, take_device_lock
from tests.rigs.enrolling import Est, enrolling
from tests.rigs.gateway import connection, gateway, gateway_settings, rows
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

TOPICS = Topics()
DEVICES = [f"pi-{number}" for number in range(1, 9)]
HARDWARE = "pi-10000000aaaa"


async def logins(broker: Broker) -> dict[str, Present]:
    """All logins of a broker."""
    async with Control.open(broker.address(ADMIN), f"admin-{secrets.token_hex(4)}") as control:
        return await control.logins()


async def matches(broker: Broker, database: Database) -> bool:
    """Whether the broker does what the store says, to the last role."""
    async with connection(database) as opened:
        found = difference(await credential_states(opened), await logins(broker))
    return not found.unmatched and not found.found


async def enrol_anew(database: Database, life: int) -> None:
    """What an enrolment of each device does: the next login, the end of the one before, and the word to gateways."""
    async with connection(database) as opened, opened.transaction():
        for device in DEVICES:
            await opened.execute(
                "UPDATE credential SET revoked_at = now(), revoked_by = 'enrolment'"
                " WHERE device = $1 AND revoked_at IS NULL",
                device,
            )
            await opened.execute(
                "INSERT INTO credential (identity, device, kind, granted_by) VALUES ($1, $2, 'certificate', 'claim')",
                device if life == 1 else f"{device}~{life}", device,
            )  # fmt: skip
        await opened.execute("SELECT pg_notify('wattline_credentials', '')")


async def test_two_gateways_leave_a_broker_as_the_store_says(own_broker: Broker, database: Database) -> None:
    """Both are told at the same moment, again and again: no login loses its rights to the other's clean-up."""
    first, second = (gateway_settings(own_broker, database) for _ in "ab")
    async with gateway(first) as one, gateway(second) as other:
        for life in range(1, 7):
            await enrol_anew(database, life)
            await until(lambda: matches(own_broker, database), f"the broker has life {life} of every device")
            if life % 2:
                await settled(one, other)
                assert await matches(own_broker, database), "and keeps it once both are done"
        async with Control.open(own_broker.address(ADMIN), f"admin-{secrets.token_hex(4)}") as control:
            await control.run(
                [
                    {"command": "removeClientRole", "username": "pi-1~6", "rolename": "device:pi-1"},
                    {"command": "addClientRole", "username": "pi-2~6", "rolename": "ingestor"},
                    {"command": "modifyClient", "username": "pi-3~6", "clientid": "wattline-ingestor"},
                    {"command": "disableClient", "username": "pi-4~6"},
                ]
            )
        await rows(database, "SELECT pg_notify('wattline_credentials', '')")
        await until(lambda: matches(own_broker, database), "what was changed there by hand is mended")
        found = await logins(own_broker)
        assert {name: found[name] for name in ("pi-1~6", "pi-4~6")} == {
            name: Present(device_login(name)) for name in ("pi-1~6", "pi-4~6")
        }
        mended = [await each.metric("wattline_gateway_credentials_total", what="mended") for each in (one, other)]
        assert sum(mended) >= 4


async def settled(*gateways: Any) -> None:
    """Wait until each gateway has compared all."""
    for each in gateways:

        async def done(each: Any = each) -> bool:
            return await each.metric("wattline_gateway_credentials_unmatched") == 0

        await until(done, "nothing is left to do")


@pytest.fixture
async def est(own_broker: Broker, database: Database, tmp_path: Path) -> AsyncIterator[Est]:
    """A gateway at which devices enrol."""
    async with enrolling(own_broker, database, tmp_path / "ca") as running:
        yield running


async def held_up(database: Database, device: str, work: Any) -> tuple[asyncpg.Connection, asyncio.Task[Any]]:
    """Begin to decide about a device as another gateway would; `work` begins meanwhile. Until it waits, or is done."""
    opened = await asyncpg.connect(database.dsn("wattline_gateway"))
    await opened.execute("BEGIN")
    await take_device_lock(opened, device)
    task = asyncio.create_task(work, name="test.meanwhile")

    async def waits() -> bool:
        waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return task.done() or bool(await rows(database, waiting))

    await until(waits, "it has come to where the other decides")
    return opened, task


async def end(opened: asyncpg.Connection) -> None:
    await opened.execute("COMMIT")
    await opened.close()


async def live(database: Database, device: str) -> list[str]:
    """The device's logins that may be used."""
    wanted = "SELECT identity FROM credential WHERE device = $1 AND revoked_at IS NULL"
    return [row["identity"] for row in await rows(database, wanted, device)]


GRANT = "INSERT INTO credential (identity, device, kind, granted_by) VALUES ('pi-1~2', 'pi-1', 'certificate', 'claim')"
REVOKE = "UPDATE credential SET revoked_at = now(), revoked_by = 'anna' WHERE device = 'pi-1'"


async def test_what_is_revoked_meanwhile_is_revoked(est: Est, database: Database) -> None:
    """Revoked while it enrols, and enrolled, renewed or given a password while it is revoked: it stays out."""
    claim, key = await est.claim(), ec.generate_private_key(ec.SECP256R1())
    first = await est.enroll(claim, "pi-1", HARDWARE, key)
    assert first.status == 200, first.detail

    opened, revoking = await held_up(database, "pi-1", est.api("POST", "/devices/pi-1/credentials:revoke"))
    await opened.execute(GRANT)
    await end(opened)
    assert (await revoking)[0] == 200
    assert await live(database, "pi-1") == [], "the login that came at that moment ended with the others"

    await rows(database, "UPDATE credential SET revoked_at = NULL, revoked_by = NULL RETURNING identity")
    renewal = est.renew(first.certificates[0], key, "pi-1", HARDWARE)
    opened, renewing = await held_up(database, "pi-1", renewal)
    await opened.execute(REVOKE)
    await end(opened)
    assert ((await renewing).status, await live(database, "pi-1")) == (403, [])
    assert len(await rows(database, "SELECT FROM certificate")) == 1, "no second certificate was given"

    await rows(database, "INSERT INTO device (name) VALUES ('pi-5') RETURNING name")
    opened, rotating = await held_up(database, "pi-5", est.api("POST", "/devices/pi-5/credentials:rotate"))
    await opened.execute(GRANT.replace("pi-1", "pi-5"))
    await end(opened)
    status, document = await rotating
    assert (status, "by certificates" in document["detail"]) == (409, True)
    assert await live(database, "pi-5") == ["pi-5~2"]
