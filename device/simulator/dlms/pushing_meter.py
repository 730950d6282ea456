"""A simulated meter of the Kaifa MA304 family: DLMS lists over HDLC at 2400 8E1, as Norway's HAN port pushes them."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from device.simulator.meter import PushingMeter
from meters.wires.encode.dlms import clock, encode_hdlc, integer, notification, octets, structure

LIST_NAME: Final = b"KFM_001"
PRODUCT: Final = b"MA304H3E"
_ZONE: Final = ZoneInfo("Europe/Oslo")


class SimulatedDlmsMeter(PushingMeter):
    """Pushes list 3 (18 values without codes, the clock among them) in segments; `serial` is up to 16 digits.

    `cipher` makes another message of the one in clear, as a meter does whose key is set.
    """

    baud = 2400
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[0-9]{8,16}", re.ASCII),
        "8 to 16 digits, 6970631401234567 (DLMS, Kaifa)",
    )

    def __init__(
        self, *, interval_s: float = 2.5, cipher: Callable[[bytes], bytes] | None = None, **options: Any
    ) -> None:
        super().__init__(interval_s=interval_s, **options)
        self.cipher = cipher

    def _encode(self) -> bytes:
        registers = self.registers
        at = datetime.fromtimestamp(registers.second, _ZONE)
        offset_min = int((at.utcoffset() or at - at).total_seconds() // 60)
        stamp = clock(at.replace(tzinfo=None), -offset_min, 0x80 if at.dst() else 0)
        power_w = registers.power_w
        volts = registers.household.voltages_dv(registers.second - 1)
        amps = [round(abs(w) * 10_000 / dv) for w, dv in zip(registers.phases_w, volts, strict=True)]
        body = structure(
            octets(LIST_NAME),
            octets(self.serial.encode()),
            octets(PRODUCT),
            *(integer(value) for value in (max(0, power_w), max(0, -power_w), 0, 0)),
            *(integer(value) for value in (*amps, *volts)),
            octets(stamp),
            *(integer(value) for value in (registers.import_wh, registers.export_wh, 0, 0)),
        )
        message = notification(body, stamp, tagged=True)
        return encode_hdlc(self.cipher(message) if self.cipher else message, segment_bytes=120)

    @staticmethod
    def _changed(data: bytes) -> bytes:
        """One octet changed among the values, the check sequences left as they were."""
        changed = bytearray(data)
        changed[len(data) * 2 // 3] ^= 0x03
        return bytes(changed)
