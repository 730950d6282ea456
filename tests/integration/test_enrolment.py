"""Devices let themselves in at a real gateway: claims, approval, renewal, clones, and what attackers try."""

import asyncio
import hashlib
import resource
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from broker.contract.topics import Kind
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from gateway.enrolment.ca_folder import ROOT, key_pem, pem
from gateway.enrolment.cli import ca
from gateway.enrolment.rules import Why
from tests.rigs.certificates import Pair
from tests.rigs.enrolling import Claimed, Est, enrolling, tls_broker
from tests.rigs.gateway import connection, entered, events, gateway_settings, registration, rows, send
from tests.rigs.gateway_process import answers, start
from tests.rigs.pages import blocks, section
from tests.rigs.raw_mqtt import As, connected
from tests.rigs.requests import request
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

HARDWARE = "pi-10000000aaaa"
OTHER = "pi-10000000bbbb"
AN_HOUR_AGO = """
WITH told AS (DELETE FROM event WHERE event = 'renewal_refused' RETURNING *)
INSERT INTO event (received_at, at, device_id, source, event, severity, detail)
SELECT received_at - interval '61 minutes', at, device_id, source, event, severity, detail FROM told
"""
"""Makes refusals that were told older; another time may lie in another chunk, so none is updated."""


def a_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


async def logins(database: Database, device: str) -> dict[str, bool]:
    """The device's logins, and whether each may be used."""
    found = await rows(database, "SELECT identity, revoked_at FROM credential WHERE device = $1", device)
    return {row["identity"]: row["revoked_at"] is None for row in found}


async def refusals(database: Database) -> list[tuple[str, str, str]]:
    """What is told of renewals that were refused: severity, hardware and address."""
    told = await events(database, "renewal_refused")
    return [(one["severity"], one["detail"]["hardware"], one["detail"]["address"]) for one in told]


async def heard(database: Database, device: str, *, online: bool) -> None:
    """What an ingestor enters of a device that is connected, or no more."""
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO device (name, online, last_seen_at, registered_at) VALUES ($1, $2, now(), now())"
            " ON CONFLICT (name) DO UPDATE SET online = $2, last_seen_at = now()",
            device,
            online,
        )


async def test_a_device_enrols_renews_and_is_flashed_anew(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """At once, and again with the same key for the same login; a flashed one gets the next, and the old one ends."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est, connection(database) as listening:
        told: list[str] = []
        await listening.add_listener("wattline_credentials", lambda *_: told.append("told"))
        claim, key = await est.claim(uses=2), a_key()
        first = await est.enroll(claim, "pi-1", HARDWARE, key)
        assert (first.status, first.name) == (200, "pi-1"), first.detail
        assert first.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
        assert first.certificates[0].public_key() == key.public_key()
        assert len(first.certificates) == 3
        again = await est.enroll(claim, "pi-1", HARDWARE, key)
        assert (again.status, again.name) == (200, "pi-1")
        assert await logins(database, "pi-1") == {"pi-1": True}
        await until(lambda: told == ["told"], "the broker's keepers are told once, at the commit")

        for shown, holder, next_key in ((again, key, key), (first, key, a_key())):
            renewed = await est.renew(shown.certificates[0], holder, "pi-1", HARDWARE, next_key)
            assert (renewed.status, renewed.name) == (200, "pi-1"), renewed.detail
            assert renewed.certificates[0].public_key() == next_key.public_key()

        await heard(database, "pi-1", online=True)
        early = await est.enroll(claim, "pi-1", HARDWARE, fresh := a_key())
        assert (early.status, early.headers["Retry-After"]) == (202, "30")
        assert "is connected" in early.detail
        await heard(database, "pi-1", online=False)
        flashed = await est.enroll(claim, "pi-1", HARDWARE, fresh)
        assert (flashed.status, flashed.name) == (200, "pi-1~2"), flashed.detail
        assert await logins(database, "pi-1") == {"pi-1": False, "pi-1~2": True}
        ended = await est.renew(first.certificates[0], key, "pi-1", HARDWARE)
        assert (ended.status, "revoked" in ended.detail) == (403, True)

        found = [one["detail"] for one in await events(database, "device_enrolled")]
        assert [(one["identity"], one["replaces"], one["site"]) for one in found] == [
            ("pi-1", [], "warsaw"), ("pi-1~2", ["pi-1"], "warsaw"),
        ]  # fmt: skip
        audited = await rows(database, "SELECT actor, action, status FROM audit WHERE action LIKE '%ertificate'")
        assert {(row["actor"], row["status"]) for row in audited} == {("pi-1", 200), ("pi-1", 403)}
        assert await rows(database, "SELECT used FROM claim") == [{"used": 2}]
        assert await est.running.metric("wattline_gateway_enrolments_total", result="issued") == 3
        assert await est.running.metric("wattline_gateway_enrolments_total", result="renewed") == 2


async def test_a_claim_s_site_is_a_label_of_who_comes_by_it(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """From the first registration on, so that groups and parameters hold at once; what people made of it stays."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:

        async def register(boot: str) -> Any:
            async with entered(own_broker, "pi-1") as pi:
                await send(pi, own_broker.topics, Kind.REGISTRATION, "pi-1", registration(boot=boot))
            stored = "SELECT FROM device WHERE registration ->> 'boot' = $1"
            await until(lambda: rows(database, stored, boot), "it has registered")
            return (await est.api("GET", "/devices/pi-1/labels"))[1]["labels"]

        assert (await est.enroll(await est.claim(site="gdynia"), "pi-1", HARDWARE, a_key())).status == 200
        await until(lambda: let_in(est), "the broker knows it")
        await own_broker.add_devices("pi-1")
        assert await register("b1b1b1b1") == {"site": "gdynia"}
        (told,) = await events(database, "device_labelled")
        assert (told["detail"]["author"], told["detail"]["reason"][:12]) == ("system", "claim gdynia")
        status, _ = await est.api("PUT", "/devices/pi-1/labels", json={"room": "cellar"})
        assert status == 200
        assert await register("b2b2b2b2") == {"room": "cellar"}


async def let_in(est: Est) -> bool:
    return await est.running.metric("wattline_gateway_credentials_total", what="granted") == 1


async def test_the_intermediate_is_renewed_below_a_root_that_stays(
    own_broker: Broker, database: Database, stack: LocalStack, tmp_path: Path
) -> None:
    """A Pi that trusts the root alone renews by its certificate of before; a broker that knows the old lets in both."""
    folder = tmp_path / "ca"
    async with enrolling(own_broker, database, folder) as est:
        claim, key = await est.claim(), a_key()
        first = await est.enroll(claim, "pi-1", HARDWARE, key)
        assert first.status == 200, first.detail
    async with tls_broker(stack, folder) as broker:
        made = CliRunner().invoke(ca, ["renew", "--folder", str(folder)])
        assert made.exit_code == 0, made.output
        async with enrolling(own_broker, database, folder) as est:
            chain, root = sorted(first.certificates[1:], key=lambda one: one.subject == one.issuer)
            renewed = await est.renew(first.certificates[0], key, "pi-1", HARDWARE, fresh := a_key(), chain=chain)
            assert (renewed.status, renewed.name) == (200, "pi-1"), renewed.detail
            leaf, *above = renewed.certificates
            assert root in above
            (intermediate,) = set(above) - {root}
            assert intermediate.public_key() != chain.public_key()
            leaf.verify_directly_issued_by(intermediate)
            assert (await est.enroll(claim, "pi-2", OTHER, a_key())).status == 200
            ends = await est.running.metric("wattline_gateway_certificate_end_seconds", of="intermediate")
            assert ends == intermediate.not_valid_after_utc.timestamp()
        for signed, by, holder in ((first.certificates[0], chain, key), (leaf, intermediate, fresh)):
            pair = Pair(tmp_path / "pi.pem", tmp_path / "pi.key")
            pair.certificate.write_bytes(b"".join(map(pem, (signed, by))))
            pair.key.write_bytes(key_pem(holder))
            shown = As("pi-1", pair=pair, trust=folder / ROOT)
            async with connected("localhost", broker.port, shown) as device:
                assert await device.publish("anything"), "it is in, by whichever signed it"


async def test_a_clone_waits_and_a_person_decides(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """Another machine with a device's id, or with its copied card, is not let in by itself; a person's word counts."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claim, key = await est.claim(), a_key()
        first = await est.enroll(claim, "pi-1", HARDWARE, key)
        clone, copied = a_key(), a_key()
        waits = await est.enroll(claim, "pi-1", OTHER, clone)
        assert (waits.status, waits.detail.partition(";")[0]) == (202, "another machine has this device id")
        copy = await est.renew(first.certificates[0], key, "pi-1", OTHER, copied)
        assert (copy.status, "another machine" in copy.detail) == (403, True)
        await est.enroll(claim, "pi-1", OTHER, clone)
        found = await events(database, "enrolment_waiting")
        assert [(one["severity"], one["detail"]["hardware"]) for one in found] == [("error", OTHER)] * 2
        by_claim, by_card = sorted(await est.waiting(), key=lambda one: one["claim"] is None)

        status, _ = await est.api("POST", f"/enrolments/{by_claim['id']}:refuse", params={"reason": "not ours"})
        assert status == 200
        refused = await est.enroll(claim, "pi-1", OTHER, clone)
        assert (refused.status, "not ours" in refused.detail) == (403, True)
        assert await logins(database, "pi-1") == {"pi-1": True}
        shown = await est.page("GET", "/enrolments")
        assert (OTHER in shown, "another machine has this device id" in shown, "Approve" in shown) == (True,) * 3
        shown = await est.page("POST", f"/enrolments/{by_card['id']}/approve?state=issued")
        assert "issued</span> as pi-1~2 by api" in shown
        assert await logins(database, "pi-1") == {"pi-1": False, "pi-1~2": True}
        given = await est.renew(first.certificates[0], key, "pi-1", OTHER, copied)
        assert (given.status, given.name) == (200, "pi-1~2"), given.detail
        status, again = await est.api("POST", f"/enrolments/{by_card['id']}:approve")
        assert (status, "issued already" in again["detail"]) == (409, True)
        assert "issued already" in await est.page("POST", f"/enrolments/{by_card['id']}/refuse")
        assert (await est.api("POST", "/enrolments/999999:approve"))[0] == 404


async def test_a_copied_key_is_found_out_and_waits(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """Of two that hold one key the second to renew is told and waits, as is an old one; a lost answer is no copy."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claim, key, second, third = await est.claim(), a_key(), a_key(), a_key()
        first = (await est.enroll(claim, "pi-1", HARDWARE, key)).certificates[0]
        for _ in ("sent", "lost and asked again"):
            renewed = await est.renew(first, key, "pi-1", HARDWARE, second)
            assert (renewed.status, renewed.name) == (200, "pi-1"), renewed.detail
        assert (await est.renew(renewed.certificates[0], second, "pi-1", HARDWARE, third)).status == 200

        copied = a_key()
        for _ in ("once", "and again"):
            copy = await est.renew(first, key, "pi-1", HARDWARE, copied)
            assert (copy.status, "another key has followed" in copy.detail) == (403, True)
        assert (await est.renew(first, key, "pi-1", HARDWARE)).status == 403, "nor for the old key itself"
        assert (await est.enroll(claim, "pi-1", HARDWARE, key)).status == 403, "nor by the claim that is on the card"
        fresh = await est.enroll(claim, "pi-1", HARDWARE)
        assert (fresh.status, "waits" in fresh.detail) == (202, True), "nor by another key"
        told = [(one["severity"], one["detail"]["address"]) for one in await events(database, "enrolment_waiting")]
        assert told == [("warning", "127.0.0.1")] * 2
        assert await logins(database, "pi-1") == {"pi-1": True}

        by_key = {one["spki_sha256"]: one for one in await est.waiting()}
        status, _ = await est.api("POST", f"/enrolments/{by_key[spki(copied)]['id']}:approve")
        assert status == 200, "where it was the thief who came first"
        given = await est.renew(first, key, "pi-1", HARDWARE, copied)
        assert (given.status, given.name) == (200, "pi-1~2"), given.detail
        assert await logins(database, "pi-1") == {"pi-1": False, "pi-1~2": True}
        again = await est.renew(first, key, "pi-1", HARDWARE, copied)
        assert (again.status, again.name) == (200, "pi-1~2"), "an answer may be lost"


async def test_a_copy_of_two_keys_is_found_out_as_one_of_one_is(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Who has a key and its next one, both of which the owner has left behind, gets nothing by them together."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claim, key, second, third = await est.claim(), a_key(), a_key(), a_key()
        first = (await est.enroll(claim, "pi-1", HARDWARE, key)).certificates[0]
        renewed = (await est.renew(first, key, "pi-1", HARDWARE, second)).certificates[0]
        for _ in ("once", "and again"):
            back = await est.renew(renewed, second, "pi-1", HARDWARE, key)
            assert (back.status, "another key has followed" in back.detail) == (403, True)
        refused = await refusals(database)
        assert refused == [("warning", HARDWARE, "127.0.0.1")], "nobody waits for it, and it is told once an hour"
        newest = (await est.renew(renewed, second, "pi-1", HARDWARE, third)).certificates[0]
        copy = await est.renew(first, key, "pi-1", HARDWARE, second)
        assert (copy.status, "another key has followed" in copy.detail) == (403, True)
        told = [one["detail"]["reason"] for one in await events(database, "enrolment_waiting")]
        assert told == [Why.SUCCEEDED], "and is told"

        assert await refusals(database) == refused, "who waits is told of as such"
        fourth = a_key()
        assert (await est.renew(first, key, "pi-1", HARDWARE, fourth)).status == 403
        by_key = {one["spki_sha256"]: one for one in await est.waiting()}
        assert (await est.api("POST", f"/enrolments/{by_key[spki(fourth)]['id']}:approve"))[0] == 200
        given = (await est.renew(first, key, "pi-1", HARDWARE, fourth)).certificates[0]
        fifth = (await est.renew(given, fourth, "pi-1", HARDWARE, a_key())).certificates[0]
        for _ in ("once", "and again"):
            copy = await est.renew(first, key, "pi-1", HARDWARE, fourth)
            assert (copy.status, "has followed" in copy.detail) == (403, True), "by the login that ended and a yes"
        assert await refusals(database) == refused, "within the hour"
        async with connection(database) as opened:
            await opened.execute(AN_HOUR_AGO)
        for _ in ("once", "and again"):
            assert (await est.renew(first, key, "pi-1", HARDWARE, fourth)).status == 403
        assert await refusals(database) == refused * 2, "the hour is over"
        assert (await est.renew(newest, third, "pi-1", HARDWARE)).status == 403, "its login ended"
        assert fifth.subject == given.subject


async def test_a_person_s_yes_is_no_way_around_the_grace(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """By the certificate with which it asked a device gets what a person let in, once, and not years later."""
    second_days = 1 / 86_400
    async with enrolling(own_broker, database, tmp_path / "ca", life_days=second_days) as est:
        claim, key, next_key = await est.claim(), a_key(), a_key()
        first = (await est.enroll(claim, "pi-1", HARDWARE, key)).certificates[0]
        assert (await est.renew(first, key, "pi-1", OTHER, next_key)).status == 403
        (waits,) = await est.waiting()
        assert (await est.api("POST", f"/enrolments/{waits['id']}:approve"))[0] == 200
        given = (await est.renew(first, key, "pi-1", OTHER, next_key)).certificates[0]
        await until(lambda: given.not_valid_after_utc < datetime.now(UTC), "it has ended")
    async with enrolling(own_broker, database, tmp_path / "ca", grace_days=0) as est:
        late = await est.renew(first, key, "pi-1", OTHER, next_key)
        assert (late.status, "too long ago" in late.detail) == (403, True)


async def test_a_login_of_any_name_keeps_no_device_out(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """One that a person made at the broker, past all rules of names: the device waits, as for any login by password."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est, connection(database) as asked:
        for name in ("pi-7~abc", "pi-7~", "pi-7~99999999999", "pi-7~2~3"):
            await asked.execute(
                "INSERT INTO credential (identity, device, kind, granted_by) VALUES ($1, 'pi-7', 'password', 'broker')",
                name,
            )
        claim, key = await est.claim(), a_key()
        waits = await est.enroll(claim, "pi-7", HARDWARE, key)
        assert (waits.status, waits.detail.partition(";")[0]) == (202, Why.WITHOUT_CERTIFICATE)
        (one,) = await est.waiting()
        assert (await est.api("POST", f"/enrolments/{one['id']}:approve"))[0] == 200
        assert (await est.enroll(claim, "pi-7", HARDWARE, key)).name == "pi-7"
        assert [name for name, live in (await logins(database, "pi-7")).items() if live] == ["pi-7"]


def spki(key: Any) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


async def test_nobody_fills_the_list_of_who_waits(
    own_broker: Broker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One certificate, one claim and one address each take a bounded room; all others still get in."""
    monkeypatch.setattr("gateway.enrolment.rules.ADDRESS_WAITS", 8)
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claim, key, other = await est.claim(), a_key(), a_key()
        mine = (await est.enroll(claim, "pi-1", HARDWARE, key)).certificates[0]
        theirs = (await est.enroll(claim, "pi-2", OTHER, other)).certificates[0]
        tried = [(await est.renew(mine, key, "pi-1", f"hw-{number}", a_key())).status for number in range(12)]
        assert tried == [403] * 5 + [429] * 7
        assert (await est.renew(theirs, other, "pi-2", "hw-x", a_key())).status == 403
        person = await est.claim(uses=100, approval="by_person")
        statuses = [(await est.enroll(person, f"pi-p{number}", "hw")).status for number in range(4)]
        assert statuses == [202, 202, 429, 429]
        found = await rows(database, "SELECT device, count(*) AS n FROM enrolment WHERE state = 'waiting' GROUP BY 1")
        assert {row["device"]: row["n"] for row in found} == {"pi-1": 5, "pi-2": 1, "pi-p0": 1, "pi-p1": 1}
        assert (await est.enroll(claim, "pi-3", "hw-3")).status == 200, "who need not wait never stands in line"


async def test_no_listener_takes_the_files_of_the_others(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """API and enrolment both full of connections that say nothing leave files for database, broker and disk."""
    port = free_port()
    settings = gateway_settings(own_broker, database)
    given = {
        "CA__FOLDER": str(tmp_path / "ca"), "ENROLMENT__HOST": "127.0.0.1", "ENROLMENT__PORT": str(port),
        "HTTP_CONNECTIONS_EACH": "1000",
    }  # fmt: skip
    # executed, it is slow enough that its bound on files is there before it looks
    process = await start(
        settings, executed=True, **{f"WATTLINE_GATEWAY_{name}": value for name, value in given.items()}
    )
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (256, 256))
    try:
        await answers(settings)
        opened = [
            await asyncio.open_connection("127.0.0.1", one) for one in (port, settings.http_port) for _ in range(200)
        ]
        refused = [asyncio.create_task(reader.read()) for reader, _ in opened]
        await until(lambda: sum(one.done() for one in refused) >= 200, "what is beyond the bounds is sent away")
        # some that are sent away are not closed yet
        await until(lambda: files(process.pid) < 256 - 50, "files are left")
        assert files(process.pid) > 100
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*refused, return_exceptions=True)
        await answers(settings)
    finally:
        process.terminate()
        await process.communicate()


def files(pid: int) -> int:
    """How many a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_what_was_revoked_or_known_by_a_password_waits(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A stolen Pi has its claim still: it does not let itself in again. Nor does a claim take a known device over."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est, connection(database) as opened:
        claim = await est.claim()
        await est.enroll(claim, "pi-1", HARDWARE)
        await opened.execute("UPDATE credential SET revoked_at = now(), revoked_by = 'anna' WHERE identity = 'pi-1'")
        stolen = await est.enroll(claim, "pi-1", HARDWARE)
        assert stolen.status == 202
        [waits] = await est.waiting()
        assert stolen.detail == f"{waits['reason']}; a person lets it in: `wattline enrol approve {waits['id']}`"
        await heard(database, "pi-2", online=True)
        await opened.execute("INSERT INTO credential VALUES ('pi-3', 'pi-3', 'password', now(), 'anna')")
        for known in ("pi-2", "pi-3"):
            waits = await est.enroll(claim, known, HARDWARE)
            assert (waits.status, "by a certificate" in waits.detail) == (202, True)
        other = await est.enroll(await est.claim(site="gdynia"), "pi-4", HARDWARE)
        assert other.name == "pi-4"
        assert "another site" in (await est.enroll(claim, "pi-4", HARDWARE)).detail


async def test_claims_are_limited_in_number_time_and_by_a_person(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Used up, past, revoked: each is said. Who waits by a claim can't fill the list, nor outlive its revocation."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        one = await est.claim(uses=1)
        many = [est.enroll(one, f"pi-{number}", f"hw-{number}") for number in range(6)]
        answers = await asyncio.gather(*many)
        assert sorted(answer.status for answer in answers) == [200, 403, 403, 403, 403, 403]
        assert all("used up" in answer.detail for answer in answers if answer.status == 403)

        brief = await est.claim(name="brief")
        async with connection(database) as opened:
            await opened.execute("UPDATE claim SET until = now() WHERE name = 'brief'")
        assert "ended at" in (await est.enroll(brief, "pi-late", HARDWARE)).detail
        person = await est.claim(uses=2, approval="by_person")
        key = a_key()
        assert (await est.enroll(person, "pi-p", HARDWARE, key)).status == 202
        assert (await est.enroll(person, "pi-q", HARDWARE)).status == 202
        assert (await est.enroll(person, "pi-r", HARDWARE)).status == 429
        waiting = {item["device"]: item for item in await est.waiting()}
        assert set(waiting) == {"pi-p", "pi-q"}
        assert (await est.api("POST", f"/enrolments/{waiting['pi-p']['id']}:approve"))[0] == 200
        assert (await est.enroll(person, "pi-p", HARDWARE, key)).name == "pi-p"
        assert (await est.api("DELETE", f"/claims/{person.name}"))[0] == 200
        status, told = await est.api("POST", f"/enrolments/{waiting['pi-q']['id']}:approve")
        assert (status, "revoked" in told["detail"]) == (409, True)
        assert (await est.enroll(person, "pi-p", HARDWARE, key)).status == 401
        status, past = await est.api("POST", "/claims", json={"uses": 1, "until": "2020-01-01T00:00:00Z"})
        assert (status, past["field"]) == (422, "until")
        status, taken = await est.api(
            "POST", "/claims", json={"name": "brief", "uses": 1, "until": "2099-01-01T00:00Z"}
        )
        assert (status, taken["field"]) == (409, "name")


async def test_the_page_s_commands_enrol_by_hand(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """As they stand there: the device's own certificate is the first of its file, and no secret is an argument."""
    [block] = blocks(section("docs/ENROLMENT.md", "By hand, with openssl and curl"))
    here = tmp_path / "by hand"
    here.mkdir()
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claim = await est.claim(approval="by_person")
        shutil.copy(est.folder / ROOT, here / "root.pem")
        typed = block.replace("wattline.example:8443", f"localhost:{est.port}").replace("wlc_...", claim.token)
        typed = typed.replace("warsaw-3f9a01bc", claim.name)

        async def run(words: str, status: int) -> str:
            shell = await asyncio.create_subprocess_exec(
                "bash", "-euo", "pipefail", "-c", words, cwd=here, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            said, _ = await asyncio.wait_for(shell.communicate(), 60)
            assert shell.returncode == status, said.decode()
            return said.decode()

        # a person is waited for: that is said, and no tool complains of what is no certificate
        said = await run(typed, 1)
        assert said.splitlines()[-1].startswith("202: "), said
        assert "openssl" not in said
        assert not (here / "pi-1.pem").exists()
        [waits] = (await est.api("GET", "/enrolments"))[1]["items"]
        assert (await est.api("POST", f"/enrolments/{waits['id']}:approve"))[0] == 200
        await run("umask 077\n" + typed[typed.index("code=") :], 0)
    leaf, above = x509.load_pem_x509_certificates((here / "pi-1.pem").read_bytes())
    leaf.verify_directly_issued_by(above)
    ssl.create_default_context().load_cert_chain(here / "pi-1.pem", here / "pi-1.key")
    assert all(path.stat().st_mode & 0o077 == 0 for path in here.iterdir() if path.name != "root.pem")
    # echo is the shell's own, and no process
    assert [line.split()[0] for line in typed.splitlines() if claim.token in line] == ["echo"]


async def test_attacks_on_the_endpoint_fail(
    own_broker: Broker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guesses, another's id, roles' names, garbage, huge bodies, plain HTTP, self-made certificates let nobody in."""
    # however slow the machine, no guess is forgiven meanwhile
    monkeypatch.setattr("gateway.api.enrolment.est.FAILED_PER_S", 0.001)
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claim, key = await est.claim(), a_key()
        mine = await est.enroll(claim, "pi-1", HARDWARE, key)
        await est.enroll(claim, "pi-2", OTHER)
        for name in ("pi-2", "ingestor", "wattline-gateway"):
            other = await est.renew(mine.certificates[0], key, name, HARDWARE)
            assert other.status in (403, 422), name
        for name in ("ingestor", "wattline-x", "a/b", "+", "#", "pi-2~2"):
            refused = await est.enroll(claim, name, HARDWARE)
            assert (refused.status, "csr.subject.CN" in refused.detail) == (422, True), name
        foreign = tmp_path / "other" / "ca"
        assert await _self_made(est, foreign) is None
        for body in (b"", b"no base64 !", b"AAAA", request("pi-9", HARDWARE)[:100]):
            assert (await est.post("simpleenroll", body, claim)).status == 422
        assert (await est.post("simpleenroll", b"A" * 20_000, claim)).status == 413
        assert (await est.post("simplereenroll", request("pi-1", HARDWARE))).status == 401
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"http://127.0.0.1:{est.port}/.well-known/est/cacerts")

        wrong = Claimed(claim.name, "wlc_" + "x" * 43)
        statuses = [(await est.enroll(wrong, "pi-9", HARDWARE)).status for _ in range(30)]
        assert statuses.count(401) <= 22
        assert statuses[-1] == 429
        assert (await est.enroll(claim, "pi-1", HARDWARE, key)).status == 200, "a known claim is no guess"
        assert set(await logins(database, "pi-1")) | set(await logins(database, "pi-2")) == {"pi-1", "pi-2"}
        assert await rows(database, "SELECT device FROM enrolment ORDER BY 1") == [
            {"device": "pi-1"},
            {"device": "pi-2"},
        ]
        spent = [(await est.enroll(claim, "pi-1", HARDWARE, key)).status for _ in range(25)]
        assert set(spent) == {200, 429}, "a key makes no certificates without end"
        assert (await est.enroll(claim, "pi-2", OTHER)).status == 200, "which is nobody else's loss"
        guesses = await rows(database, "SELECT FROM audit WHERE status = 401")
        assert 1 <= len(guesses) <= 2


async def _self_made(est: Est, folder: Path) -> Any:
    """Renew by a certificate of pi-1 that another authority made: TLS itself says no."""
    from gateway.enrolment.authority import Life, Usage, make_key
    from gateway.enrolment.ca_folder import open_or_make

    authority, _ = open_or_make(folder, None)
    key = make_key()
    forged = authority.sign("pi-1", key.public_key(), Usage.CLIENT, Life.of(datetime.now(UTC), timedelta(days=1)))
    try:
        return await est.renew(forged, key, "pi-1", HARDWARE)
    except (aiohttp.ClientError, ssl.SSLError):
        return None


async def test_an_old_certificate_renews_itself_within_its_grace(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A device that lay in a drawer is let in by the certificate that ended; past the grace it is not."""
    second_days = 1 / 86_400
    async with enrolling(own_broker, database, tmp_path / "ca", life_days=second_days) as est:
        claim, key = await est.claim(), a_key()
        shown = (await est.enroll(claim, "pi-1", HARDWARE, key)).certificates[0]
        await until(lambda: shown.not_valid_after_utc < datetime.now(UTC), "it has ended")
        assert (await est.renew(shown, key, "pi-1", HARDWARE)).name == "pi-1"
    async with enrolling(own_broker, database, tmp_path / "ca", grace_days=0) as est:
        late = await est.renew(shown, key, "pi-1", HARDWARE)
        assert (late.status, "too long ago" in late.detail) == (403, True)
