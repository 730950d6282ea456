"""A device is told another address of its broker: it goes there if the store answers there, and is never stranded."""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.contract.messages import VERSION_CEILING, Reported
from broker.contract.topics import Kind
from broker.mosquitto.config import TlsFiles
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from device import mailbox
from device.moving.addresses import Addresses, AddressFailed
from device.moving.target import HOME, Target
from device.simulator import SimulatedP1Meter
from tests.rigs.agent import P1, SERIAL, PlatformSide, agent, quick, reported, settings
from tests.rigs.asker import asking
from tests.rigs.certificates import Authority
from tests.rigs.servers import Broker
from tests.rigs.two_brokers import beside, lost
from tests.rigs.waiting import until


def side(broker: Broker, **options: Any) -> PlatformSide:
    return PlatformSide(broker, "pi-1", **{"parameters": quick(probation_s=60), "receipts": True, **options})


@contextlib.asynccontextmanager
async def reading(broker: Broker, folder: Path, **more: Any) -> AsyncIterator[tuple[PlatformSide, SimulatedP1Meter]]:
    """A platform and a meter that an agent reads."""
    await broker.add_device("pi-1")
    async with (
        side(broker) as platform,
        SimulatedP1Meter(serial=SERIAL) as meter,
        agent(settings(platform, folder, meter.port, **more)),
    ):
        await until(lambda: len(platform.samples(P1)) >= 2)
        yield platform, meter


def told(broker: Broker, port: int = 0, **more: Any) -> Any:
    return quick(**{"probation_s": 60, **more, "broker_address": f"{broker.host}:{port or broker.port}"})


async def test_it_goes_where_the_store_answers_and_stays_there_over_restarts(
    stack: LocalStack, broker: Broker, tmp_path: Path
) -> None:
    """Its last word at the old one is that it is gone; the new one's silence on addresses leaves it where it is."""
    await broker.add_device("pi-1")
    async with (
        side(broker) as old,
        beside(stack, broker, "pi-1") as second,
        side(second, version=100) as new,
        SimulatedP1Meter(serial=SERIAL) as meter,
    ):
        options = settings(old, tmp_path, meter.port)
        async with agent(options):
            await until(lambda: len(old.samples(P1)) >= 2)
            version = await old.publish_desired(told(second))
            [event] = await until(lambda: new.events("broker_moved"))
            assert event.detail["address"] == f"{second.host}:{second.port}"
            await until(lambda: len(new.samples(P1)) >= 2)
            assert old.of(Kind.STATUS)[-1]["online"] is False
            await until(lambda: (r := old.reported()) and r.state == "applied" and not r.probation)
            ours = [Reported.model_validate_json(json.dumps(one)) for one in new.of(Kind.REPORTED)]
            assert version in {one.version for one in ours}
            # the new platform knows of no address
            assert new.version > 100
            await until(lambda: (r := new.reported()) and r.version == new.version and not r.probation)
            assert mailbox.take_broker(tmp_path / "software") == f"{second.host}:{second.port}"
        count, before = len(new.samples(P1)), len(old.log)
        async with agent(options):
            await until(lambda: len(new.samples(P1)) >= count + 2)
        assert len(old.log) == before
        assert lost(old, new) == {}


async def test_where_nobody_is_it_comes_back_and_says_why(broker: Broker, tmp_path: Path) -> None:
    """Not tried again with a later version; another address is, and the command for what was reverted."""
    async with reading(broker, tmp_path) as (platform, _):
        nobody = free_port()
        bad = await platform.publish_desired(told(broker, nobody, probation_s=2))
        report = await reported(platform, "reverted", bad)
        assert report.held_back is not None
        assert "parameters.broker_address" in report.held_back
        assert report.effective.broker_address == ""
        reasons = [one.reason for one in report.reasons if one.field == "parameters.broker_address"]
        assert any(f"127.0.0.1:{nobody}: within" in one and "no connection" in one for one in reasons)
        assert any("retry_config" in one for one in reasons)
        await until(lambda: platform.events("broker_not_moved"))
        await until(lambda: platform.events("config_reverted"))
        later = await platform.publish_desired(told(broker, nobody, probation_s=2, reading_interval_s=2))
        report = await reported(platform, "reverted", later)
        assert (report.in_force, report.effective.reading_interval_s) == (later, 2)
        count = len(platform.samples(P1))
        await until(lambda: len(platform.samples(P1)) >= count + 2)
        assert len(platform.events("broker_not_moved")) == 1
        await until(lambda: lost(platform) == {}, what="all came")


async def test_a_broker_without_a_store_is_left_again(stack: LocalStack, broker: Broker, tmp_path: Path) -> None:
    """It lets everybody in and takes everything: that is no proof, and what it took is sent again at the old one."""
    async with reading(broker, tmp_path) as (old, _), beside(stack, broker, "pi-1") as second:
        async with side(second, version=100, receipts=False, answers=False) as new:
            bad = await old.publish_desired(told(second, probation_s=4))
            report = await reported(old, "reverted", bad)
            assert any("no store there confirms anything" in one.reason for one in report.reasons)
            assert new.events("broker_tried"), "it was there"
            await until(lambda: lost(old) == {}, what="all that the other one took came here, too")


async def test_who_is_on_trial_is_not_obeyed(stack: LocalStack, broker: Broker, tmp_path: Path) -> None:
    """A version that leaves none above it, and commands: passed over until it is the platform by proof, which it isn't.

    Then what is retained there counts.
    """
    async with reading(broker, tmp_path) as (old, _), beside(stack, broker, "pi-1") as second:
        async with side(second, version=VERSION_CEILING - 1, receipts=False, answers=False) as new:
            highest = await new.publish_desired(quick(probation_s=0, reading_interval_s=7))
            bad = await old.publish_desired(told(second, probation_s=4))
            await until(lambda: new.events("broker_tried"))
            async with asking(new) as asker:
                await asker.send("identify")
            await reported(old, "reverted", bad)
            later = await old.publish_desired(quick(reading_interval_s=2))
            await reported(old, "applied", later)
            assert not [one for one in new.of(Kind.REPORTED) if one["version"] == highest]
            assert new.of(Kind.REPLIES) == []
            new.receipts = True
            # by another name, as the first one failed
            await old.publish_desired(quick(probation_s=60, broker_address=f"localhost:{second.port}"))
            await reported(new, "applied", highest)


async def test_until_it_is_proven_the_report_says_so(broker: Broker, tmp_path: Path) -> None:
    """A staged change must not go on while an address is on trial: also where meters are read by the rest of it."""
    async with reading(broker, tmp_path) as (platform, _):
        # the same broker by another name, whose receipts don't come
        platform.receipts = False
        version = await platform.publish_desired(quick(probation_s=6, broker_address=f"localhost:{broker.port}"))
        await reported(platform, "reverted", version)
        states = [(one["state"], one["probation"]) for one in platform.of(Kind.REPORTED) if one["version"] == version]
        assert set(states[:-1]) <= {("applied", True), ("reverted", False)}
        assert ("applied", False) not in states
        platform.receipts = True
        version = await platform.publish_desired(quick(probation_s=60, broker_address=f"LOCALHOST:{broker.port} "))
        assert await reported(platform, "reverted", version), "what failed is known by its content"


async def test_with_probation_off_an_address_is_tried_all_the_same(
    stack: LocalStack, broker: Broker, tmp_path: Path
) -> None:
    """`probation_s` 0 takes changes untried, but nobody goes for good where nobody was."""
    async with reading(broker, tmp_path) as (old, _), beside(stack, broker, "pi-1") as second:
        async with side(second, version=100) as new:
            await old.publish_desired(told(second, probation_s=0))
            await until(lambda: new.events("broker_moved"))


async def test_a_proven_one_that_falls_silent_is_left_for_the_one_before(
    stack: LocalStack, broker: Broker, tmp_path: Path
) -> None:
    """Whoever proved itself and then keeps silent does not keep a device, though its configuration still says so."""
    async with reading(broker, tmp_path, broker_lost_s=5) as (old, _), beside(stack, broker, "pi-1") as second:
        async with side(second, version=100, parameters=told(second)) as new:
            await old.publish_desired(told(second))
            await until(lambda: new.events("broker_moved"))
            await until(lambda: len(new.samples(P1)) >= 2)
        # its platform is gone, and then the broker itself
        [event] = await until(lambda: old.events("broker_moved"))
        assert event.detail["returned"] is True
        report = await reported(old, "reverted", new.version)
        assert report.effective.broker_address == ""
        count = len(old.samples(P1))
        await until(lambda: len(old.samples(P1)) >= count + 2)
        await until(lambda: lost(old, new) == {}, what="all came to one of them")


async def test_another_authority_is_told_with_it(stack: LocalStack, broker: Broker, tmp_path: Path) -> None:
    """Over TLS the new broker must be who the platform says; who is not does not even get the password."""
    authority = Authority(stack.folder / f"ca-{secrets.token_hex(4)}")
    stranger = Authority(tmp_path / "other")
    pair = authority.issue("broker")
    tls = TlsFiles(pair.certificate, pair.key, authority.certificate)
    async with reading(broker, tmp_path / "pi") as (old, _), beside(stack, broker, "pi-1", tls=tls) as second:
        port = second.server.password_port
        wrong = stranger.certificate.read_text()
        bad = await old.publish_desired(told(second, port, probation_s=2, broker_authority=wrong))
        report = await reported(old, "reverted", bad)
        assert any("certificate" in one.reason for one in report.reasons)
        async with side(second, version=100) as new:
            right = authority.certificate.read_text()
            await old.publish_desired(told(second, port, broker_authority=right.replace("\n", "")))
            await until(lambda: new.events("broker_moved"))
            assert [path.name for path in (tmp_path / "pi").glob("broker-*.pem")] != []


async def test_a_password_crosses_no_network_in_plain_by_it(broker: Broker, tmp_path: Path) -> None:
    """Refused before anything is sent, with the reason."""
    async with reading(broker, tmp_path) as (platform, _):
        bad = await platform.publish_desired(quick(broker_address="broker.example:1883"))
        report = await reported(platform, "reverted", bad)
        assert any("without TLS" in one.reason for one in report.reasons)
        assert not platform.events("broker_tried")


@pytest.mark.parametrize("cut", ["before the trial", "in the trial", "proven", "failed", "started too often"])
async def test_a_power_cut_at_any_step_leaves_a_way(
    stack: LocalStack, broker: Broker, tmp_path: Path, cut: str
) -> None:
    """The files as each step leaves them, and the agent started on them: it ends where a store answers."""
    await broker.add_device("pi-1")
    async with (
        side(broker) as old,
        beside(stack, broker, "pi-1") as second,
        side(second, version=100, receipts=False, answers=False) as new,
        SimulatedP1Meter(serial=SERIAL) as meter,
    ):
        options = settings(old, tmp_path, meter.port)
        async with agent(options):
            await until(lambda: len(old.samples(P1)) >= 2)
            version = await old.publish_desired(told(second, probation_s=3600))
            await until(lambda: new.events("broker_tried"))
        target = Target(address=f"{second.host}:{second.port}")
        left = Addresses(tmp_path, options.broker)
        left.load()
        trial = left.state.trial
        assert trial is not None
        assert (trial.target, left.state.good) == (target, HOME)
        states: dict[str, dict[str, Any]] = {
            "before the trial": {"trial": None},
            "in the trial": {},
            "proven": {"trial": None, "good": target, "before": HOME},
            "failed": {"trial": None, "failed": AddressFailed(target=target, reason="the power was cut")},
            "started too often": {"trial": trial.model_copy(update={"starts": 9})},
        }
        left.save(**states[cut])
        new.receipts = True
        count = len(new.samples(P1))
        async with agent(options):
            if cut in ("failed", "started too often"):
                report = await reported(old, "reverted", version)
                assert report.effective.broker_address == ""
            else:
                await until(lambda: len(new.samples(P1)) >= count + 2)
                await until(lambda: new.events("broker_moved") or cut == "proven")
            await until(lambda: lost(old, new) == {})


async def test_a_person_s_hand_on_the_settings_goes_before_what_was_told(broker: Broker, tmp_path: Path) -> None:
    """Settings that name another broker than when the device was moved count: somebody was there."""
    await broker.add_device("pi-1")
    own = broker.address("pi-1")
    moved = Addresses(tmp_path, own.model_copy(update={"host": "before.example"}))
    moved.save(good=Target(address="127.0.0.1:1"), before=HOME)
    async with (
        side(broker) as platform,
        SimulatedP1Meter(serial=SERIAL) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: len(platform.samples(P1)) >= 2)
