"""A simulated SML meter of the Iskra MT175 family: an optical head at 9600 8N1."""

import re
from decimal import Decimal
from typing import Any, ClassVar, Final

from device.simulator.meter import PushingMeter
from meters.wires.encode.sml import SmlValue, encode_sml

FLAG: Final = b"ISK"
STATUS: Final = 0x0182


class SimulatedSmlMeter(PushingMeter):
    """Pushes at 9600 8N1; `serial` is up to ten digits: two of the fabrication block, eight of the number."""

    baud = 9600
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"(?:1 ?ISK ?)?[0-9]{1,10}", re.ASCII),
        "up to ten digits, 0067362659, or these as the type plate has them, 1ISK0067362659 (SML, DIN 43863-5)",
    )

    def __init__(self, *, interval_s: float = 2.0, **options: Any) -> None:
        super().__init__(interval_s=interval_s, **options)
        self._transaction = 1

    def _as_carried(self, serial: str) -> str:
        return serial.rpartition("ISK")[2].strip()

    @property
    def server_id(self) -> bytes:
        """The server id (DIN 43863-5): medium, manufacturer, block, number."""
        block, number = divmod(int(self.serial), 10**8)
        return b"\x09\x01" + FLAG + bytes([block]) + number.to_bytes(4, "big")

    def _encode(self) -> bytes:
        registers = self.registers
        first, second, third = registers.phases_w
        self._transaction += 3
        imported = Decimal(registers.import_ws // 360).scaleb(-1)
        exported = Decimal(registers.export_ws // 360).scaleb(-1)
        values = [
            SmlValue("129-129:199.130.3", FLAG),
            SmlValue("1-0:0.0.9", self.server_id),
            SmlValue("1-0:1.8.0", imported, "Wh", scaler=-1, width=-8, status=STATUS),
            SmlValue("1-0:1.8.1", imported, "Wh", scaler=-1, width=-8),
            SmlValue("1-0:1.8.2", Decimal("0.0"), "Wh", scaler=-1, width=-8),
            SmlValue("1-0:2.8.0", exported, "Wh", scaler=-1, width=-8, status=STATUS),
            SmlValue("1-0:16.7.0", Decimal(registers.power_w), "W", scaler=0, width=-4),
            SmlValue("1-0:36.7.0", Decimal(first), "W", scaler=0, width=-4),
            SmlValue("1-0:56.7.0", Decimal(second), "W", scaler=0, width=-4),
            SmlValue("1-0:76.7.0", Decimal(third), "W", scaler=0, width=-4),
        ]
        return encode_sml(
            self.server_id, values, seconds=registers.second & 0xFFFFFFF, transaction=self._transaction & 0xFFFFFF
        )
