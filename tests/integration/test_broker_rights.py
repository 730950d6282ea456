"""Each thing that a login might try at the broker, tried: topics, filters, shares, wills, retained, client ids."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from broker.contract.identity import FOREIGN
from broker.contract.messages import Status
from broker.contract.topics import Kind, Topics, shared
from broker.errors import PermanentError
from broker.mosquitto.config import TlsFiles
from broker.mosquitto.control import Control
from broker.mosquitto.dynamic_security import device_login, own_roles, put_login, put_role
from broker.mosquitto.installation import login_of
from broker.mosquitto.rights import ADMIN, CONTROL, role_grants
from broker.mosquitto.running import let_in, let_out
from cli.__main__ import main
from deploy.local.answers import mqtt_answers
from deploy.local.certificates import ServiceCertificates
from deploy.local.mosquitto import SERVICES, MosquittoServer
from deploy.local.stack import LocalStack
from gateway.enrolment.authority import Life
from tests.rigs.certificates import Authority, Pair
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, gateway, gateway_settings
from tests.rigs.ingesting import ingesting
from tests.rigs.ingesting import settings as ingestor_settings
from tests.rigs.raw_mqtt import As, Raw, connected
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

TOPICS = Topics()
ROOT = "wattline/v1"
OWN = f"{ROOT}/devices/pi-1"
OTHER = f"{ROOT}/devices/pi-2"
KINDS = ("status", "registration", "readings", "frames", "events", "config/reported", "replies", "software/reported")
PLATFORM = ("config/desired", "receipts", "commands/restart", "software/desired", "keys")
WRITES = {f"{OWN}/{kind}" for kind in KINDS}
"""What a device may publish; all else that is tried is refused."""
TRIED = (
    *sorted(WRITES),
    *(f"{OWN}/{kind}" for kind in (*PLATFORM, "anything", "readings/more", "config")),
    *(f"{OTHER}/{kind}" for kind in (*KINDS, *PLATFORM)),
    OWN, f"{ROOT}/devices/pi-1~2/readings", f"{ROOT}/devices/pi-10/readings", f"{ROOT}/specs/lgz-e350/1",
    f"{ROOT}/anything", "wattline/v2/devices/pi-1/readings", "devices/pi-1/readings", f"/{OWN}/readings",
    "$SYS/broker/uptime", CONTROL, f"{CONTROL}/response", "$share/ingest/x",
)  # fmt: skip
READS = (
    f"{OWN}/config/desired", f"{OWN}/receipts", f"{OWN}/commands/#", f"{OWN}/commands/+", f"{OWN}/commands/restart",
    f"{OWN}/software/desired", f"{OWN}/keys", f"{ROOT}/specs/#", f"{ROOT}/specs/+/+", f"{ROOT}/specs/lgz-e350/1",
)  # fmt: skip
"""What a device may subscribe to."""
WIDE = (
    "#", "+", "+/#", f"{ROOT}/#", f"{ROOT}/devices/#", f"{ROOT}/devices/+/config/desired", f"{ROOT}/devices/+/receipts",
    f"{OWN}/#", f"{OWN}/+", f"{OWN}/+/desired", f"{OWN}/config/#", f"{OWN}/status", f"{OWN}/readings",
    *(f"{OTHER}/{kind}" for kind in (*KINDS, *PLATFORM, "#", "commands/#")),
    f"{ROOT}/devices/pi-1~2/receipts", f"{ROOT}/+/#", "$SYS/#", "$SYS/broker/uptime",
    "$CONTROL/#", CONTROL, f"{CONTROL}/response",
    *(shared("ingest", each) for each in (f"{ROOT}/#", f"{OWN}/config/desired", f"{ROOT}/specs/#", "#")),
)  # fmt: skip


@dataclass
class Ground:
    """A Mosquitto with both listeners, and two devices of each kind that are let in."""

    server: MosquittoServer
    authority: Authority

    def by(self, how: str, user: str) -> As:
        """How a device connects: by `password`, or by `certificate` on the devices' listener."""
        if how == "password":
            return As(user, password=self.server.credentials[user])
        pair = self.authority.issue(user)
        return As(user, pair=pair, trust=self.authority.certificate, port=self.server.device_port)

    def enter(self, who: As) -> AbstractAsyncContextManager[Raw]:
        """Connect."""
        return connected(self.server.host, self.server.port, who)

    def role(self, name: str, client_id: str | None = None) -> AbstractAsyncContextManager[Raw]:
        """Connect as a service or a person."""
        return self.enter(As(name, password=self.server.credentials[name], client_id=client_id))

    def service(self, name: str, certificate: Path | None = None, **changes: Any) -> As:
        """How a service connects at the services' listener: by the certificate of its login, or by another one."""
        file = certificate or self.server.certificates.services.of(name)
        trust, port = self.authority.certificate, self.server.services_port
        return replace(As(name, pair=Pair(file, file), trust=trust, port=port), **changes)

    async def grant(self, *identities: str) -> None:
        """Let devices in by their certificates."""
        async with Control.open(self.server.address(ADMIN), f"admin-{secrets.token_hex(4)}") as control:
            held = await control.held()
            for identity in identities:
                login = device_login(identity)
                roles = [put_role(name, of, held) for name, of in own_roles(login, TOPICS).items()]
                await control.run([*roles, *put_login(login, None, held)])
                held = await control.held()


@pytest.fixture
async def ground(stack: LocalStack) -> AsyncIterator[Ground]:
    """Two devices with passwords, which have certificates of the same names as well."""
    folder = stack.folder / f"rights-{secrets.token_hex(4)}"
    authority = Authority(folder / "tls")
    folder.chmod(0o711)
    server_pair = authority.issue("broker")
    tls = TlsFiles(server_pair.certificate, server_pair.key, authority.certificate)
    words = {"pi-1": secrets.token_hex(8), "pi-2": secrets.token_hex(8)}
    server = MosquittoServer(stack.toolchain, folder / "mosquitto", users=words, tls=tls)
    await server.start()
    try:
        yield Ground(server, authority)
    finally:
        await server.kill()


async def passed(ground: Ground, watcher: Raw) -> None:
    """Wait until all that was published before has passed the broker."""
    mark = TOPICS.of(Kind.DESIRED, f"mark-{secrets.token_hex(4)}")
    async with ground.role("gateway") as marking:
        assert await marking.publish(mark)
    await until(lambda: mark in watcher.topics(), "the mark has come")
    watcher.received[:] = [one for one in watcher.received if one[0] != mark]


@pytest.mark.parametrize("how", ["password", "certificate"])
async def test_a_device_writes_by_name_and_nothing_else(ground: Ground, how: str) -> None:
    """Every topic, once plainly, once retained, once as a will: what is not its own to write never arrives."""
    async with ground.role("monitor") as watcher:
        assert await watcher.subscribe("#") == [False]
        assert await watcher.subscribe(f"{ROOT}/#", "$SYS/#") == [True, True]
        async with ground.enter(ground.by(how, "pi-1")) as device:
            for retain in (False, True):
                taken = {topic for topic in TRIED if await device.publish(topic, b"tried", retain=retain)}
                assert taken == WRITES
        await passed(ground, watcher)
        assert sorted(topic for topic, payload in watcher.received if payload == b"tried") == sorted([*WRITES, *WRITES])
        watcher.received.clear()
        for topic in (f"{OTHER}/status", f"{OWN}/config/desired", f"{ROOT}/specs/a/1", f"{OWN}/status"):
            async with ground.enter(replace(ground.by(how, "pi-1"), will=topic)) as dying:
                dying.vanish()
                await until(lambda dying=dying: dying.ended, "the connection is gone")
        await until(lambda: any(payload == b"gone" for _, payload in watcher.received), "the will of its own status")
        await passed(ground, watcher)
        assert [topic for topic, payload in watcher.received if payload == b"gone"] == [f"{OWN}/status"]
    async with ground.role("engineer") as late:
        await late.subscribe(f"{ROOT}/#")
        await passed(ground, late)
        assert set(late.topics()) == WRITES, "what is retained"


@pytest.mark.parametrize("how", ["password", "certificate"])
async def test_a_device_subscribes_by_name_and_to_nothing_else(ground: Ground, how: str) -> None:
    """Every filter, wildcard and share: refused at SUBSCRIBE, so that nothing comes and nobody else is robbed."""
    async with ground.enter(ground.by(how, "pi-1")) as device, ground.role("gateway") as gateway_:
        for filters in (WIDE, READS):
            granted = [each for each in filters if await device.subscribe(each) == [True]]
            assert granted == ([] if filters is WIDE else list(READS))
        for each in (*READS, f"{ROOT}/#"):
            assert await device.unsubscribe(each), "anybody may take back what it has"
        await device.subscribe(*READS)
        for name in ("pi-1", "pi-2"):
            assert await gateway_.publish(TOPICS.of(Kind.DESIRED, name), retain=True)
            assert await gateway_.publish(TOPICS.of(Kind.SOFTWARE_DESIRED, name), retain=True)
            assert await gateway_.publish(TOPICS.command(name, "restart"))
        assert await gateway_.publish(TOPICS.spec("lgz-e350", 1), retain=True)
        async with ground.role("ingestor") as ingestor:
            for name in ("pi-1", "pi-2"):
                assert await ingestor.publish(TOPICS.of(Kind.RECEIPTS, name))
        mine = {
            f"{OWN}/config/desired", f"{OWN}/commands/restart", f"{OWN}/receipts", f"{OWN}/software/desired",
            f"{ROOT}/specs/lgz-e350/1",
        }  # fmt: skip
        await until(lambda: mine <= set(device.topics()), "its own has come")
        assert set(device.topics()) == mine


async def test_an_earlier_enrolment_s_name_changes_no_rights(ground: Ground) -> None:
    """The identity pi-1~2 is the device pi-1: it writes pi-1's topics, and none of its own name."""
    await ground.grant("pi-1~2")
    async with ground.enter(ground.by("certificate", "pi-1~2")) as device:
        assert await device.publish(f"{OWN}/readings")
        assert not await device.publish(f"{ROOT}/devices/pi-1~2/readings")
        assert await device.subscribe(f"{OWN}/config/desired", f"{OTHER}/config/desired") == [True, False]


async def test_nobody_takes_another_s_client_id(ground: Ground) -> None:
    """The ingestor's, another device's, the gateway's: refused by password; by certificate it is the device's own."""
    async with (
        ground.role("ingestor", "wattline-ingestor") as ingestor,
        ground.enter(ground.by("password", "pi-2")) as other,
    ):
        await ingestor.subscribe(f"{ROOT}/#")
        for wanted in ("wattline-ingestor", "pi-2", "wattline-gateway", "pi-1-x", ""):
            with pytest.raises(PermissionError):
                async with ground.enter(replace(ground.by("password", "pi-1"), client_id=wanted)):
                    pytest.fail(f"it was let in as {wanted}")
            async with ground.enter(replace(ground.by("certificate", "pi-1"), client_id=wanted or "x")) as device:
                assert not await device.publish(f"{OTHER}/readings")
                assert await device.publish(f"{OWN}/readings", wanted.encode())
        await until(lambda: len(ingestor.received) == 5, "all five came to the ingestor")
        assert not ingestor.ended
        assert not other.ended


async def test_no_share_of_the_fleet_is_taken(ground: Ground) -> None:
    """A device that asks for a share of the ingestors' group is refused, and every reading comes to them."""
    group = shared("ingest", f"{ROOT}/#")
    async with (
        ground.role("ingestor") as first,
        ground.role("ingestor") as second,
        ground.enter(ground.by("password", "pi-1")) as thief,
        ground.enter(ground.by("certificate", "pi-2")) as honest,
    ):
        assert await first.subscribe(group) == [True]
        assert await second.subscribe(group) == [True]
        assert await thief.subscribe(group, shared("ingest", f"{OWN}/config/desired"), shared("x", "#")) == [False] * 3
        for number in range(40):
            assert await honest.publish(f"{OTHER}/readings", str(number).encode())
        await until(lambda: len(first.received) + len(second.received) == 40, "all forty came")
        assert not thief.received


@pytest.mark.parametrize(
    ("role", "writes", "reads"),
    [
        ("ingestor", {f"{OWN}/receipts"}, {f"{ROOT}/#", "$SYS/#", shared("ingest", f"{ROOT}/#"), f"{OWN}/status"}),
        ("monitor", set(), {f"{ROOT}/#", "$SYS/#", f"{OWN}/status"}),
        ("engineer", {f"{OWN}/config/desired", f"{ROOT}/specs/a/1"}, {f"{ROOT}/#", f"{OWN}/status"}),
        (
            "gateway",
            {f"{OWN}/{kind}" for kind in ("config/desired", "software/desired", "keys", "commands/restart", "status")}
            | {f"{ROOT}/specs/a/1", CONTROL},
            {f"{OWN}/status", f"{ROOT}/devices/+/registration", f"{CONTROL}/response"},
        ),
    ],
)
async def test_roles_do_what_their_work_needs(ground: Ground, role: str, writes: set[str], reads: set[str]) -> None:
    """Only the gateway writes commands and changes logins, only the ingestor takes shares and gives receipts."""
    topics = [
        *(f"{OWN}/{kind}" for kind in (*KINDS, *PLATFORM, "anything")), f"{ROOT}/specs/a/1", f"{ROOT}/x",
        "$SYS/broker/uptime", CONTROL, f"{CONTROL}/response",
    ]  # fmt: skip
    filters = [
        "#", f"{ROOT}/#", f"{OWN}/status", f"{ROOT}/devices/+/registration", "$SYS/#", "$CONTROL/#",
        f"{CONTROL}/response", shared("ingest", f"{ROOT}/#"), shared("ingest", "#"),
    ]  # fmt: skip
    wide = {each for each in filters if f"{ROOT}/#" in reads and each.startswith(ROOT)}
    for how in ("password", "certificate") if role in SERVICES else ("password",):
        async with ground.role(role) if how == "password" else ground.enter(ground.service(role)) as user:
            assert {topic for topic in topics if await user.publish(topic)} == writes
            granted = {each for each in filters if await user.subscribe(each) == [True]}
        assert granted == reads | wide, how


async def test_several_ingestors_share_by_one_certificate(ground: Ground) -> None:
    """Each with a client id of its own choice; what the devices send comes to one of them, each message once."""
    group = shared("ingest", f"{ROOT}/#")
    async with (
        ground.enter(ground.service("ingestor", client_id="wattline-ingestor-1")) as first,
        ground.enter(ground.service("ingestor", client_id="wattline-ingestor-2")) as second,
        ground.enter(ground.by("certificate", "pi-1")) as device,
    ):
        assert [await each.subscribe(group) for each in (first, second)] == [[True], [True]]
        for number in range(40):
            assert await device.publish(f"{OWN}/readings", str(number).encode())
        await until(lambda: len(first.received) + len(second.received) == 40, "all forty came")
        assert min(len(first.received), len(second.received)) > 0
        assert not first.ended
        assert not second.ended


async def test_nobody_else_comes_in_where_services_do(ground: Ground) -> None:
    """Certificates of the devices' authority, whatever name they bear; old, foreign, none. Nor services elsewhere."""
    services, folder, now = ground.server.certificates.services, ground.authority.folder, datetime.now(UTC)
    over = services.issue("ingestor", folder / "over.pem", Life(now - timedelta(days=2), now - timedelta(days=1)))
    namesake = ServiceCertificates(folder / "namesake")
    names = ("pi-1", "ingestor", "gateway", ADMIN, "wattline-x")
    of_devices = {name: ground.authority.issue(name) for name in names}
    here = ground.service("ingestor")
    word = ground.server.credentials["ingestor"]
    for who in (
        *(replace(here, user=name, pair=pair, client_id="wattline-ingestor") for name, pair in of_devices.items()),
        replace(here, pair=Pair(ground.server.certificates.shown.certificate, ground.server.certificates.shown.key)),
        ground.service("ingestor", over), ground.service("ingestor", namesake.of("ingestor")),
        replace(here, pair=None), replace(here, pair=None, password=word),
        replace(here, pair=None, trust=None, password=word),
        *(ground.service(name, port=ground.server.device_port) for name in ("ingestor", "gateway", ADMIN)),
    ):  # fmt: skip
        with pytest.raises(PermissionError):
            async with ground.enter(who):
                pytest.fail(f"{who} was let in")
    async with ground.enter(here):
        pass


async def test_a_service_that_is_let_out_has_no_rights_left(ground: Ground) -> None:
    """It is cut off, and its certificate alone gives none; let in by that alone, its password of before is void."""
    word, admin = ground.server.credentials["ingestor"], ground.server.address(ADMIN)
    async with ground.enter(ground.service("ingestor")) as before:
        await let_out(admin, "ingestor")
        await until(lambda: before.ended, "it is cut off")
    async with ground.enter(ground.service("ingestor")) as ghost:
        assert not await ghost.publish(f"{OWN}/receipts")
        assert await ghost.subscribe(f"{ROOT}/#", shared("ingest", f"{ROOT}/#"), "$SYS/#") == [False] * 3
    for had_password in (False, True):
        await ground.server.add_users({"ingestor": word})
        await let_in(admin, login_of("ingestor"), None, had_password=had_password)
        async with ground.enter(ground.service("ingestor")) as again:
            assert await again.publish(f"{OWN}/receipts")
        assert await mqtt_answers(ground.server.host, ground.server.port, "ingestor", word) is not had_password


async def test_whoever_is_not_let_in_stays_out(ground: Ground) -> None:
    """No password, a wrong one, another's, an unknown name; no certificate, a stranger's, a password in its place."""
    strange = Authority(ground.authority.folder / "strange", "another authority").issue("pi-1")
    device, word = ground.server.device_port, ground.server.credentials["pi-1"]
    trust = ground.authority.certificate
    for who in (
        As("pi-1"), As("pi-1", password="wrong"), As("pi-1", password=ground.server.credentials["pi-2"]),
        As("nobody", password="x"), As("ingestor", password=""), As("ingestor", password=word),
        As("pi-1", trust=trust, port=device), As("pi-1", password=word, trust=trust, port=device),
        As("pi-1", pair=strange, trust=trust, port=device), As("pi-1", password=word, port=device),
    ):  # fmt: skip
        with pytest.raises(PermissionError):
            async with ground.enter(who):
                pytest.fail(f"{who} was let in")


async def test_a_certificate_without_a_login_has_no_rights(ground: Ground) -> None:
    """One that the authority signed, and nobody granted: whatever it tries is refused, also as a role's name."""
    for name in ("pi-9", "wattline-x", "pi-1~2"):
        async with ground.enter(ground.by("certificate", name)) as stranger:
            assert not await stranger.publish(f"{ROOT}/devices/{name}/readings")
            assert not await stranger.publish(f"{OWN}/readings")
            assert await stranger.subscribe(f"{ROOT}/specs/#", f"{OWN}/config/desired", "#") == [False] * 3


async def test_many_changes_leave_the_broker_well(ground: Ground) -> None:
    """With a memory_limit Mosquitto would by now refuse all memory; connected clients do not feel the changes."""
    async with ground.role("ingestor") as ingestor, ground.enter(ground.by("certificate", "pi-1")) as device:
        await ingestor.subscribe(f"{ROOT}/#")
        for start in range(0, 100, 50):
            await ground.server.add_users({f"many-{number}": "x" for number in range(start, start + 50)})
        assert await device.publish(f"{OWN}/readings")
        await until(lambda: f"{OWN}/readings" in ingestor.topics(), "it came")
        assert not ingestor.ended


async def test_a_person_who_leaves_is_let_out_at_once(ground: Ground) -> None:
    """Cut off while connected, and not let in again; a device is no such login."""
    await ground.server.add_users({"wattline-anna": "x"}, role="engineer")
    async with ground.role("wattline-anna") as anna:
        with pytest.raises(PermanentError, match="wattline device revoke pi-1"):
            await let_out(ground.server.address(ADMIN), "pi-1")
        await let_out(ground.server.address(ADMIN), "wattline-anna")
        await until(lambda: anna.ended, "the session is cut")
    with pytest.raises(PermissionError):
        async with ground.role("wattline-anna"):
            pytest.fail("the login still works")


@contextlib.asynccontextmanager
async def started(ground: Ground, database: Database) -> AsyncIterator[Gateway]:
    """A gateway on this broker."""
    async with gateway(gateway_settings(Broker(ground.server), database)) as running:
        yield running


async def revoke(running: Gateway, device: str, *, status: int = 200) -> list[dict[str, object]]:
    """By the API, as `wattline device revoke` does."""
    url = f"{running.url}/api/v1/devices/{device}/credentials:revoke"
    async with running.http.post(url, params={"author": "anna", "reason": "stolen"}) as response:
        document = await response.json()
        assert response.status == status, document
        items: list[dict[str, object]] = document.get("items", [])
        return items


async def has_no_rights(ground: Ground, who: As) -> bool:
    """Whether a login is refused, or let in by its certificate and refused whatever it tries."""
    try:
        async with ground.enter(who) as device:
            tried = [await device.publish(f"{OWN}/readings"), *await device.subscribe(*READS)]
            return not any(tried)
    except PermissionError:
        return True


async def grant_row(database: Database, identity: str, device: str) -> None:
    """What an enrolment writes."""
    connection = await asyncpg.connect(database.dsn("wattline_gateway"))
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO credential (identity, device, kind, granted_by) VALUES ($1, $2, 'certificate', 'claim')",
            identity, device,
        )  # fmt: skip
        await connection.execute("SELECT pg_notify('wattline_credentials', '')")
    await connection.close()


async def test_revoking_cuts_live_sessions_and_outlasts_restarts(ground: Ground, database: Database) -> None:
    """All identities of a device, by password and certificate, at once; others stay, whatever is started again."""
    by_word, by_pair = ground.by("password", "pi-1"), ground.by("certificate", "pi-1~2")
    async with started(ground, database) as running:
        await grant_row(database, "pi-1~2", "pi-1")
        await until(lambda: granted(running, 1.0), "the broker was told of the new certificate")
        async with (
            ground.enter(ground.by("password", "pi-2")) as other,
            ground.enter(by_word) as first,
            ground.enter(by_pair) as second,
        ):
            assert await second.publish(f"{OWN}/readings")
            items = await revoke(running, "pi-1")
            assert {(one["identity"], one["revoked_by"], one["reason"]) for one in items} == {
                ("pi-1", "local (for anna)", "stolen"), ("pi-1~2", "local (for anna)", "stolen"),
            }  # fmt: skip
            await until(lambda: first.ended and second.ended, "both sessions are cut")
            assert not other.ended
            assert await other.publish(f"{OTHER}/readings")
        for who in (by_word, by_pair):
            await until(lambda who=who: has_no_rights(ground, who), "it is let in no more")
        await ground.server.kill()
        await ground.server.start()
        for who in (by_word, by_pair):
            assert await has_no_rights(ground, who), "after a restart of the broker"
    await ground.server.add_user("pi-1", by_word.password or "")
    async with ground.enter(by_word):
        pass
    async with started(ground, database):
        await until(lambda: has_no_rights(ground, by_word), "let in by hand again, and removed at the gateway's start")


async def test_a_revoked_device_is_not_said_to_be_online(ground: Ground, database: Database) -> None:
    """Its last word would be `online` for ever, as Mosquitto sends no will of a login that it removes."""
    broker = Broker(ground.server)
    of = ingestor_settings(broker, database.dsn("wattline_ingestor"))
    word = Status(online=True, boot="b3f1a2c4", software="wattline 1.0", since=datetime(2026, 11, 23, 10, tzinfo=UTC))
    async with started(ground, database) as running, ingesting(of):

        async def is_online() -> bool | None:
            shown = await running.get("/devices")
            return shown["items"][0]["online"] if shown["items"] else None

        async with ground.enter(replace(ground.by("password", "pi-1"), will=f"{OWN}/status")) as device:
            assert await device.publish(f"{OWN}/status", word.payload(), retain=True)
            await until(is_online, "it is known to be online")
            await revoke(running, "pi-1")
            await until(lambda: device.ended, "it is cut off")
        await until(lambda: is_not(is_online), "it is known to be offline")
        assert (await running.get("/devices/pi-1"))["revoked"]
        listed_ = await typed(running, main, "device", "list")
        assert "revoked" in listed_.output
    async with ground.role("monitor") as late:
        await late.subscribe(f"{ROOT}/#")
        await until(lambda: bool(late.received), "what is retained has come")
        topic, payload = late.received[0]
        said = Status.parse(payload)
        assert (topic, said.online, said.boot) == (f"{OWN}/status", False, word.boot)
        assert said.since > word.since


async def is_not(asked: Callable[[], Awaitable[bool | None]]) -> bool:
    return await asked() is False


async def granted(running: Gateway, count: float) -> bool:
    """Whether so many certificates were let in by the gateway."""
    return await running.metric("wattline_gateway_credentials_total", what="granted") == count


async def test_a_broker_that_forgot_is_told_again(ground: Ground, database: Database) -> None:
    """Certificates are let in again by themselves; a password's login needs a new one, and that is said."""
    certificate = ground.by("certificate", "pi-7")
    async with started(ground, database) as running:
        await grant_row(database, "pi-7", "pi-7")
        await until(lambda: granted(running, 1.0), "the broker was told")
        await until(lambda: found(running), "the logins that were made by hand are known")
        await ground.server.stop()
        ground.server.remove_data()
        await ground.server.start()
        await until(lambda: granted(running, 2.0), "the broker was told again")
        async with ground.enter(certificate) as device:
            assert await device.publish(f"{ROOT}/devices/pi-7/readings")


async def found(running: Gateway) -> bool:
    """Whether the gateway has found the logins that somebody made at the broker."""
    return await running.metric("wattline_gateway_credentials_total", what="found") == 2.0


async def test_a_new_password_ends_the_old_one(ground: Ground, database: Database) -> None:
    """Printed once; the live session ends, a revoked device comes back by it, and a certificate's device has none."""
    old = ground.by("password", "pi-2")
    async with started(ground, database) as running:
        await until(lambda: found(running), "the logins that were made by hand are known")
        url = f"{running.url}/api/v1/devices"
        for _ in "ab":
            async with ground.enter(old) as device, running.http.post(f"{url}/pi-2/credentials:rotate") as answer:
                made = await answer.json()
                assert (answer.status, made["identity"]) == (200, "pi-2")
                await until(lambda device=device: device.ended, "the old session is cut")
            with pytest.raises(PermissionError):
                async with ground.enter(old):
                    pytest.fail("the old password still works")
            old = replace(old, password=made["password"])
            async with ground.enter(old) as device:
                assert await device.publish(f"{OTHER}/readings")
        await revoke(running, "pi-2")
        await until(lambda: has_no_rights(ground, old), "revoked")
        async with running.http.post(f"{url}/pi-2/credentials:rotate") as answer:
            old = replace(old, password=(await answer.json())["password"])
        async with ground.enter(old) as device:
            assert await device.publish(f"{OTHER}/readings")
        said = await typed(running, main, "device", "revoke", "pi-2", "--author", "anna", "--reason", "sold")
        assert (said.exit_code, "sold" in said.output) == (0, True), said.output
        await until(lambda: has_no_rights(ground, old), "revoked by a command")
        said = await typed(running, main, "device", "rotate", "pi-2")
        assert said.exit_code == 0, said.output
        async with ground.enter(replace(old, password=said.stdout.strip())) as device:
            assert await device.publish(f"{OTHER}/readings")
        said = await typed(running, main, "device", "credentials", "pi-2")
        assert "pi-2" in said.output
        assert "sold" not in said.output
        await grant_row(database, "pi-7", "pi-7")
        async with running.http.post(f"{url}/pi-7/credentials:rotate") as answer:
            assert answer.status == 409
            assert "`wattline device revoke pi-7`" in (await answer.json())["errors"][0]["fix"]
        async with running.http.post(f"{url}/nobody/credentials:rotate") as answer:
            assert answer.status == 404
        await revoke(running, "nobody", status=404)
        await ground.grant("pi-1~2")
        for name, fix in (
            ("pi-1~2", "name the device, 'pi-1'"), ("ingestor", "remove-user"), ("wattline-anna", "remove-user"),
        ):  # fmt: skip
            for verb in ("revoke", "rotate"):
                async with running.http.post(f"{url}/{name}/credentials:{verb}") as answer:
                    document = await answer.json()
                    assert (answer.status, document["errors"][0]["field"]) == (404, "device")
                    assert fix in document["detail"]
        assert not await has_no_rights(ground, ground.by("certificate", "pi-1~2")), "and nothing was done"
        await ground.server.stop()
        async with running.http.post(f"{url}/pi-2/credentials:rotate") as answer:
            assert answer.status == 503
        await ground.server.start()


async def test_a_role_with_denials_is_told_as_it_was_put(broker: Broker) -> None:
    """By a running broker, too: else each look at it would write the role anew."""
    wanted = frozenset(role_grants(broker.topics)[FOREIGN])
    async with Control.open(broker.address(ADMIN), f"admin-{secrets.token_hex(4)}") as control:
        assert wanted <= (await control.roles())[FOREIGN]
        name = f"denying-{secrets.token_hex(4)}"
        await control.run([put_role(name, wanted, await control.held())])
        assert (await control.roles())[name] == wanted
        await control.run([{"command": "deleteRole", "rolename": name}])
