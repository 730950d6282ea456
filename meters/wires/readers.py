"""All readers under one roof: a framer and a parser for each wire, and a framer for a line of unknown protocol."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from broker.errors import FrameError
from meters.telegram import Frame, Framer, Telegram, Wire
from meters.wires.dlms.framer import DlmsFramer
from meters.wires.dlms.scanner import DlmsScanner
from meters.wires.dlms.telegram import parse_dlms
from meters.wires.iec62056 import Iec62056Framer, parse_iec62056
from meters.wires.mbus.link import MbusFramer, MbusScanner
from meters.wires.mbus.telegram import parse_mbus
from meters.wires.merged import MergedScanners
from meters.wires.meter_key import MeterKey
from meters.wires.modbus.scanner import ModbusFramer, ModbusScanner
from meters.wires.modbus.telegram import parse_modbus
from meters.wires.p1 import P1Framer, parse_p1
from meters.wires.sml import SmlFramer, parse_sml
from meters.wires.sml_transport import SmlScanner
from meters.wires.text.scanner import Accept, TextScanner

_CHUNK_BYTES: Final = 64 * 1024
_P1_END: Final = re.compile(rb"[\n)]![0-9A-Fa-f]{1,4}\r?\n")
_FRAMERS: dict[Wire, Callable[[], Framer]] = {
    Wire.SML: SmlFramer,
    Wire.IEC62056_21: Iec62056Framer,
    Wire.DLMS: DlmsFramer,
    Wire.MBUS: MbusFramer,
    Wire.MODBUS: ModbusFramer,
}
_PARSERS = {
    Wire.SML: parse_sml,
    Wire.IEC62056_21: parse_iec62056,
    Wire.MBUS: parse_mbus,
    Wire.MODBUS: parse_modbus,
}
_CIPHERED_PARSERS = {Wire.P1: parse_p1, Wire.DLMS: parse_dlms}


def make_framer(wire: Wire, crcs: tuple[str, ...] = (), *, any_crc: bool = False) -> Framer:
    """A new framer for a line whose protocol is known; `crcs` and `any_crc` as text.scanner.Accept has them."""
    return P1Framer(crcs, any_crc=any_crc) if wire is Wire.P1 else _FRAMERS[wire]()


def parse(frame: Frame, key: MeterKey | None = None) -> Telegram:
    """The telegram of a frame; `key` is its meter's, for a ciphered one.

    Raises KeyNeededError for a ciphered frame without a key, and FrameError where the frame is whole but says nothing
    that can be read.
    """
    ciphered = _CIPHERED_PARSERS.get(frame.protocol)
    return ciphered(frame, key) if ciphered is not None else _PARSERS[frame.protocol](frame)


def read_all(
    wire: Wire, data: bytes, crcs: tuple[str, ...] = (), *, any_crc: bool = False, key: MeterKey | None = None
) -> Iterator[Telegram | FrameError]:
    """The telegrams in bytes that were kept, and what is wrong with the others; `crcs`, `any_crc` as a framer's."""
    framer = make_framer(wire, crcs, any_crc=any_crc)
    for found in (*framer.feed(data), *framer.finish()):
        if isinstance(found, FrameError):
            yield found
            continue
        try:
            yield parse(found, key)
        except FrameError as error:
            yield error


class AnyFramer(MergedScanners):
    """All framers at once on one stream; each byte is given at most once, whichever protocol it is of.

    P1 and IEC 62056-21 mode D are distinguished by content.
    """

    def __init__(self, *, bare: bool = True, crcs: tuple[str, ...] = (), any_crc: bool = False) -> None:
        text = TextScanner(Accept(bare=bare, crcs=crcs, any_crc=any_crc))
        super().__init__(text, SmlScanner(), DlmsScanner(), MbusScanner(), ModbusScanner())


def crcs_of(line: bytes) -> tuple[str, ...] | None:
    """The variants of P1's CRC that a capture is to be read by; None where any may be, as with a single telegram.

    Where the usual CRC holds for one telegram, or a variant for more than any other, what fits another one is damaged.
    """
    if _P1_END.search(line) is None:
        return None
    framer, found = AnyFramer(bare=False, any_crc=True), Counter[str]()
    for start in range(0, len(line), _CHUNK_BYTES):
        frames = [item for item in framer.feed(line[start : start + _CHUNK_BYTES]) if isinstance(item, Frame)]
        found.update(frame.crc for frame in frames if frame.crc or _P1_END.search(frame.data))
        if found[""]:
            return ()
    most = found.most_common(2)
    alone = len(most) == 1 or (len(most) > 1 and most[0][1] > most[1][1])
    return (most[0][0],) if alone and most[0][1] > 1 else None
