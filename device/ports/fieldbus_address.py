"""Addresses of meters that are asked, as the setting BUS writes them: `mbus:5`, `modbus:1:SDM630`, `dlms:16/1`."""

from dataclasses import dataclass
from typing import Final

from device.line_settings import LineSettings
from meters.telegram import Wire

KINDS: Final = (str(Wire.MBUS), str(Wire.MODBUS), str(Wire.DLMS))
SCAN: Final = "scan"
PUBLIC: Final = "16/1"
"""DLMS: the public client and the management device, by which every meter says who it is."""
SERVED: Final = {"modbus+tcp://": (Wire.MODBUS, "1"), "dlms+tcp://": (Wire.DLMS, PUBLIC)}
"""Who is asked over TCP where nobody is stated, by the scheme of the port."""
SIGNED_ON: Final = LineSettings(300, 7, "E")
"""DLMS behind an optical head: the line on which a sign-on in mode E begins."""
LINES: Final = {
    Wire.MBUS: (LineSettings(2400, 8, "E"), LineSettings(300, 8, "E"), LineSettings(9600, 8, "E")),
    Wire.MODBUS: (
        LineSettings(9600), LineSettings(19200, 8, "E"), LineSettings(9600, 8, "E"), LineSettings(19200),
        LineSettings(2400), LineSettings(115200),
    ),
    Wire.DLMS: (LineSettings(9600), SIGNED_ON, LineSettings(19200), LineSettings(115200), LineSettings(2400)),
}  # fmt: skip
"""Line settings to try, the usual one first."""
_MAX_SCANNED: Final = range(1, 248)


@dataclass(frozen=True, slots=True)
class FieldbusAddress:
    """One entry: the protocol, whom to ask (`scan` for whoever is found), and the product that a person states."""

    wire: Wire
    station: str
    product: str = ""

    @property
    def units(self) -> range:
        """The units of a scan of Modbus."""
        first, _, last = self.product.partition("-")
        return range(int(first), int(last) + 1) if first and last else _MAX_SCANNED


def fieldbus_addresses(path: str, entries: tuple[str, ...]) -> tuple[FieldbusAddress, ...]:
    """The addresses of a port at which somebody is asked; () where it is none. SERVED says who it is over TCP."""
    found = []
    for entry in entries:
        kind, _, rest = entry.partition(":")
        if kind in KINDS and rest:
            station, _, product = rest.partition(":")
            found.append(FieldbusAddress(Wire(kind), station, product))
    served = served_by(path)
    if not found and served is not None:
        found.append(FieldbusAddress(*served))
    return tuple(found)


def served_by(path: str) -> tuple[Wire, str] | None:
    """Protocol and usual station of a port over TCP; None of any other port."""
    return next((served for scheme, served in SERVED.items() if path.startswith(scheme)), None)
