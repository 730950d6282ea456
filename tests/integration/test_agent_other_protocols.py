"""The agent at a port that speaks what Wattline does not read."""

from pathlib import Path
from typing import Any

from broker.messages import FrameReason
from broker.topics import Kind
from device.simulator.meter import PushingMeter
from meters.encode.p1 import encode_p1
from meters.sml_transport import crc_x25
from tests.integration.agent_rig import Desk, agent, settings, until
from tests.integration.test_agent_commands import asking
from tests.servers import Broker

HEAD = bytes([0xA0, 0x2A, 0x41, 0x08, 0x83, 0x13])
BODY = b"\xe6\xe7\x00\x0f" + bytes(range(0x40, 0x5C))
CHECKED = HEAD + crc_x25(HEAD).to_bytes(2) + BODY
HDLC = b"\x7e" + CHECKED + crc_x25(CHECKED).to_bytes(2) + b"\x7e"
P1 = encode_p1("ISK5\\2M550T-1012", ["1-3:0.2.8(50)", "0-0:96.1.1(4530303434303037)", "1-0:1.8.1(000001.000*kWh)"])


class OtherMeter(PushingMeter):
    """Pushes the same bytes again and again."""

    baud = 9600

    def __init__(self, data: bytes, **options: Any) -> None:
        super().__init__(serial="1", **options)
        self.data = data

    def _encode(self) -> bytes:
        return self.data


async def test_another_protocol_is_told_as_what_it_is(broker: Broker, tmp_path: Path) -> None:
    """By an event, raw frames with a hint, the port's state and `identify`; a meter that comes later is read."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1") as desk,
        OtherMeter(HDLC, interval_s=0.3) as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        (event,) = await until(lambda: desk.events("other_protocol_heard"))
        assert (event.detail["protocol"], event.detail["line"]) == ("dlms-hdlc", "9600 8N1")
        assert "does not read yet" in str(event.detail["what"])
        (frames,) = await until(lambda: [one for one in desk.frames if one.protocol == "dlms-hdlc"][:1])
        assert (frames.reason, frames.frames[0].error) == (FrameReason.UNDECODABLE, "other_protocol")
        assert frames.frames[0].data == HDLC
        assert frames.hints["line"] == "9600 8N1"
        (told,) = await until(lambda: desk.events("port_unidentified")[:1], 120)
        assert told.detail["speaks"] == "dlms-hdlc"
        async with asking(desk) as asker:
            reply = await asker.ask("identify", {"port": meter.port}, expiry_s=55)
        (found,) = reply["result"]["ports"].values()
        assert (found["state"], found["protocol"], found["meter"]) == ("other_protocol", "dlms-hdlc", None)
        assert "DLMS/COSEM over HDLC" in found["speaks"]
        assert len(desk.events("other_protocol_heard")) == 1
        meter.data = P1
        await until(lambda: any(one["meters"] for one in desk.of(Kind.REGISTRATION)), 120)
        (seen,) = desk.of(Kind.REGISTRATION)[-1]["meters"]
        assert seen["facts"]["line"] == "9600 8N1"
