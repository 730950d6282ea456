"""A simulated DSMR 5 meter with a gas meter on its M-Bus (DSMR P1 5.0.2)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from device.simulator.meter import PushingMeter
from meters.wires.encode.p1 import encode_p1

HEADER: Final = "ISK5\\2M550T-1012"
GAS_SERIAL: Final = "G0044007133156018"
_ZONE: Final = ZoneInfo("Europe/Amsterdam")


class SimulatedP1Meter(PushingMeter):
    """Pushes each second at 115200 8N1; `gas_serial` '' leaves the gas meter out.

    `cipher` makes another message of the one in clear, as a meter does whose telegrams are encrypted.

    Energy is counted in two tariffs: 1 by night (23 to 7 h local time) and 2 by day.
    """

    baud = 115200
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[!-~]{1,48}"),
        "1 to 48 printable ASCII characters without blanks (P1, DSMR 5.0.2 0-0:96.1.1)",
    )

    def __init__(
        self,
        *,
        header: str = HEADER,
        gas_serial: str = GAS_SERIAL,
        more: tuple[str, ...] = (),
        cipher: Callable[[bytes], bytes] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.cipher = cipher
        self.header = header
        self.gas_serial = gas_serial
        self.more = more
        """Lines beside its own, as national companions have them."""
        self._tariffs = _Tariffs(self.registers.import_ws, self.registers.export_ws)

    def swap(self, serial: str, seed: int | None = None) -> None:
        """Put another meter of the same type in its place."""
        super().swap(serial, seed)
        self._tariffs = _Tariffs(self.registers.import_ws, self.registers.export_ws)

    def _encode(self) -> bytes:
        registers = self.registers
        night = not 7 <= datetime.fromtimestamp(registers.second - 1, _ZONE).hour < 23
        self._tariffs.add(registers.import_ws, registers.export_ws, night=night)
        lines = [
            "1-3:0.2.8(50)",
            f"0-0:1.0.0({_stamp(registers.second)})",
            f"0-0:96.1.1({self.serial.encode().hex().upper()})",
            *self._tariffs.lines(),
            f"0-0:96.14.0({'0001' if night else '0002'})",
            f"1-0:1.7.0({_kw(max(0, registers.power_w))}*kW)",
            f"1-0:2.7.0({_kw(max(0, -registers.power_w))}*kW)",
            "0-0:96.7.21(00003)",
            "0-0:96.13.0()",
            *self._phases(),
            *self._gas(),
            *self.more,
        ]
        telegram = encode_p1(self.header, lines)
        return self.cipher(telegram) if self.cipher else telegram

    def _phases(self) -> list[str]:
        registers = self.registers
        volts = registers.household.voltages_dv(registers.second - 1)
        watts = registers.phases_w
        codes = ((32, 31, 21, 22), (52, 51, 41, 42), (72, 71, 61, 62))
        return [
            *(f"1-0:{code[0]}.7.0({dv // 10:03d}.{dv % 10}*V)" for code, dv in zip(codes, volts, strict=True)),
            *(
                f"1-0:{code[1]}.7.0({round(abs(w) * 10 / dv):03d}*A)"
                for code, dv, w in zip(codes, volts, watts, strict=True)
            ),
            *(f"1-0:{code[2]}.7.0({_kw(max(0, w))}*kW)" for code, w in zip(codes, watts, strict=True)),
            *(f"1-0:{code[3]}.7.0({_kw(max(0, -w))}*kW)" for code, w in zip(codes, watts, strict=True)),
        ]

    def _gas(self) -> list[str]:
        if not self.gas_serial:
            return []
        litres = self.registers.gas_dm3
        return [
            "0-1:24.1.0(003)",
            f"0-1:96.1.0({self.gas_serial.encode().hex().upper()})",
            f"0-1:24.2.1({_stamp(self.registers.gas_second)})({litres // 1000:05d}.{litres % 1000:03d}*m3)",
        ]


class _Tariffs:
    """The household's registers by tariff: what was there at the start is shared out, what comes goes to one."""

    def __init__(self, import_ws: int, export_ws: int) -> None:
        self._last = (import_ws, export_ws)
        self._import = [import_ws * 2 // 5, import_ws - import_ws * 2 // 5]
        self._export = [export_ws // 5, export_ws - export_ws // 5]

    def add(self, import_ws: int, export_ws: int, *, night: bool) -> None:
        tariff = 0 if night else 1
        self._import[tariff] += import_ws - self._last[0]
        self._export[tariff] += export_ws - self._last[1]
        self._last = (import_ws, export_ws)

    def lines(self) -> list[str]:
        pairs = (
            ("1.8.1", self._import[0]),
            ("1.8.2", self._import[1]),
            ("2.8.1", self._export[0]),
            ("2.8.2", self._export[1]),
        )
        return [f"1-0:{code}({_kwh(ws)}*kWh)" for code, ws in pairs]


def _kwh(ws: int) -> str:
    wh = ws // 3600
    return f"{wh // 1000:06d}.{wh % 1000:03d}"


def _kw(watts: int) -> str:
    return f"{watts // 1000:02d}.{watts % 1000:03d}"


def _stamp(second: int) -> str:
    local = datetime.fromtimestamp(second, UTC).astimezone(_ZONE)
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"
