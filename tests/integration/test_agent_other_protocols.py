"""The agent at a port that speaks what Wattline does not read."""

from pathlib import Path
from typing import Any

from broker.contract.messages import FrameReason
from broker.contract.topics import Kind
from device.simulator.meter import PushingMeter
from meters.wires.encode.p1 import encode_p1
from meters.wires.mbus.link import select
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.asker import asking
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

MBUS = select("12345678")
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
        PlatformSide(broker, "pi-1") as platform,
        OtherMeter(MBUS, interval_s=0.3) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        (event,) = await until(lambda: platform.events("other_protocol_heard"))
        assert (event.detail["protocol"], event.detail["line"]) == ("mbus", "9600 8N1")
        assert "a master must ask" in str(event.detail["what"])
        (frames,) = await until(lambda: [one for one in platform.frames if one.protocol == "mbus"][:1])
        assert (frames.reason, frames.frames[0].error) == (FrameReason.UNDECODABLE, "other_protocol")
        assert frames.frames[0].data == MBUS
        assert frames.hints["line"] == "9600 8N1"
        (told,) = await until(lambda: platform.events("port_unidentified")[:1], timeout_s=120)
        assert told.detail["speaks"] == "mbus"
        async with asking(platform) as asker:
            reply = await asker.ask("identify", {"port": meter.port}, expiry_s=55)
        (found,) = reply["result"]["ports"].values()
        assert (found["state"], found["protocol"], found["meter"]) == ("other_protocol", "mbus", None)
        assert "M-Bus (" in found["speaks"]
        assert len(platform.events("other_protocol_heard")) == 1
        meter.data = P1
        await until(lambda: any(one["meters"] for one in platform.of(Kind.REGISTRATION)), timeout_s=120)
        (seen,) = platform.of(Kind.REGISTRATION)[-1]["meters"]
        assert seen["facts"]["line"] == "9600 8N1"
