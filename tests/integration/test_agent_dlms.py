"""The agent at ports that push DLMS: found by itself, read, and where a key is missing, told with the frames kept."""

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from broker.contract.keys import DeviceKeys, KnownKeys, SealedKeys
from broker.contract.messages import Clock, FrameReason
from broker.contract.topics import Kind
from broker.sealed_box import seal
from device.enrolment.certificate_file import FILE as CERTIFICATE
from device.simulator import Fault, SimulatedDlmsMeter
from meters.telegram import Telegram, Wire
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.meter_key import MeterKey
from meters.wires.readers import read_all
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.asker import asking
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

METER = "KFM:6970631401234567"
CIPHERED = "KFM:1020000123"
KEY = MeterKey(bytes(range(16)), bytes(range(16, 32)))


async def test_a_meter_that_pushes_dlms_is_found_and_read(broker: Broker, tmp_path: Path) -> None:
    """At 2400 8E1, by listening alone; its own clock stamps the readings, damage gives a frame and no reading."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedDlmsMeter(serial="6970631401234567", interval_s=0.4) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: platform.samples(METER), timeout_s=60)
        (seen,) = platform.of(Kind.REGISTRATION)[-1]["meters"]
        assert (seen["protocol"], seen["product"], seen["facts"]["line"]) == ("dlms", "MA304H3E", "2400 8E1")
        message, (_, sample) = platform.readings[-1], platform.samples(METER)[-1]
        assert (message.meter, message.spec, message.clock) == (METER, "kaifa-han@1", Clock.METER)
        assert abs((sample.at - datetime.now(UTC)).total_seconds()) < 60
        assert {"1-0:1.8.0", "1-0:1.7.0", "1-0:32.7.0", "1-0:31.7.0"} <= sample.values.keys()
        assert 0.2 < sample.values["1-0:32.7.0"] / 1000 < 0.26
        assert sample.values["1-0:1.8.0"] <= meter.registers.import_ws / 3_600_000
        for fault in (Fault.WRONG_CRC, Fault.TORN, Fault.GARBAGE):
            meter.inject(fault)
        bad = await until(lambda: [one for one in platform.frames if one.reason is FrameReason.BAD_FRAME])
        assert {frame.error for message in bad for frame in message.frames} <= {"crc_mismatch", "truncated"}
        count = len(platform.samples(METER))
        await until(lambda: len(platform.samples(METER)) > count)
        assert not platform.events("other_protocol_heard")


async def test_a_meter_whose_key_is_missing_is_held_until_it_comes(broker: Broker, tmp_path: Path) -> None:
    """Told and registered by its system title, its frames sent raw; read from when the key comes, and not replayed."""
    await broker.add_device("pi-1")
    counter = iter(range(1, 10_000))
    own = ec.generate_private_key(ec.SECP256R1())
    card = tmp_path / "enrolment" / CERTIFICATE
    card.parent.mkdir(parents=True)
    card.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def cipher(message: bytes) -> bytes:
        return encode_ciphered(message, b"KFM\x10\x20\x00\x01\x23", next(counter), KEY)

    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedDlmsMeter(serial="6970631401234567", interval_s=0.4, cipher=cipher) as meter,
    ):
        given = settings(platform, tmp_path, meter.port)
        async with agent(given):
            (event,) = await until(lambda: platform.events("meter_key_needed"), timeout_s=60)
            assert event.detail["system_title"] == "KFM1020000123"
            assert "the meter's key" in str(event.detail["what"])
            await until(lambda: seen(platform) == (CIPHERED, "missing", None), "it is registered by its title")
            kept = await until(lambda: [one for one in platform.frames if one.reason is FrameReason.KEY_MISSING][:2])
            assert {one.meter for one in kept} == {CIPHERED}
            (telegram,) = read_all(Wire.DLMS, kept[0].frames[0].data, key=KEY)
            assert isinstance(telegram, Telegram)
            assert telegram.facts["serial"] == "6970631401234567"
            async with asking(platform) as asker:
                reply = await asker.ask("identify", {"port": meter.port}, expiry_s=55)
            (found,) = reply["result"]["ports"].values()
            assert (found["protocol"], found["meter"]) == ("dlms", CIPHERED)
            assert not platform.samples()
            await give(platform, own, 5, MeterKey(bytes(16)))
            await until(lambda: platform.events("meter_key_wrong"), "a wrong key is told")
            assert seen(platform) == (CIPHERED, "wrong", None)
            await give(platform, own, 6, KEY)
            await until(lambda: platform.samples(CIPHERED), "read as soon as the right key is there")
            await until(lambda: seen(platform) == (CIPHERED, "good", "6970631401234567"))
            counter = iter(range(1, 10_000))
            await until(lambda: [one for one in platform.frames if one.frames[0].error == "replayed"], "no replay")
            await give(platform, ec.generate_private_key(ec.SECP256R1()), 7, None)
            await give(platform, own, 4, None)
            await until(lambda: platform.events("meter_keys_refused"), "none for others, and no older ones")
            file = tmp_path / "meter-keys.json"
            assert [stat.S_IMODE(one.stat().st_mode) for one in (file, file.with_name(f"{file.name}.copy"))] == [
                0o600
            ] * 2
        counter = iter(range(10_000, 20_000))
        count = len(platform.samples(CIPHERED))
        async with agent(given):
            await until(lambda: len(platform.samples(CIPHERED)) > count, "the key outlasts a restart")
            await give(platform, own, 8, None)
            await until(lambda: seen(platform)[1] == "missing", "and is forgotten once it is withdrawn")
    assert KEY.encryption.hex() not in repr(platform.log)


def seen(platform: PlatformSide) -> tuple[str | None, str | None, str | None]:
    """The one meter of the newest registration: its key, how it stands with its own, and its serial."""
    meters = platform.of(Kind.REGISTRATION)[-1]["meters"]
    one = meters[0] if meters else {}
    return one.get("key"), one.get("facts", {}).get("key_state"), one.get("serial")


async def give(platform: PlatformSide, own: ec.EllipticCurvePrivateKey, version: int, key: MeterKey | None) -> None:
    """Publish the key of the meter as the gateway does, sealed to the device; None takes it back."""
    public = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    known = {} if key is None else {CIPHERED: KnownKeys(encryption=key.encryption.hex())}
    text = DeviceKeys(device="pi-1", version=version, meters=known).payload()
    box = seal(public, text, DeviceKeys.context("pi-1", version))
    await platform.publish_keys(
        SealedKeys(version=version, to=hashlib.sha256(public).hexdigest(), sealed=box).payload()
    )
