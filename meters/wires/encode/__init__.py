"""Our own encoders: telegrams for goldens, tests and simulated meters, and what the DLMS client asks with."""

from meters.wires.encode.dlms import DlmsValue, encode_hdlc, encode_push_over_mbus, encode_wrapper
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.mbus import MbusValue, encode_mbus
from meters.wires.encode.modbus import Bank
from meters.wires.encode.p1 import encode_p1
from meters.wires.encode.sml import SmlValue, encode_sml

__all__ = [
    "Bank",
    "DlmsValue",
    "MbusValue",
    "SmlValue",
    "encode_hdlc",
    "encode_iec62056",
    "encode_mbus",
    "encode_p1",
    "encode_push_over_mbus",
    "encode_sml",
    "encode_wrapper",
]
