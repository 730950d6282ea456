"""Our own encoders of telegrams, for goldens, tests and the simulated meters."""

from meters.encode.iec62056 import encode_iec62056
from meters.encode.p1 import encode_p1
from meters.encode.sml import SmlValue, encode_sml

__all__ = ["SmlValue", "encode_iec62056", "encode_p1", "encode_sml"]
