"""What every protocol's reader yields: frames, telegrams of neutral records, and the facts that tell the product."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from broker.errors import FrameError


class Wire(StrEnum):
    """The protocols that Wattline reads, as messages and specs name them."""

    P1 = "p1"
    SML = "sml"
    IEC62056_21 = "iec62056-21"
    DLMS = "dlms"
    MBUS = "mbus"
    MODBUS = "modbus"


@dataclass(frozen=True, slots=True)
class Frame:
    """One link unit as it came from the line, its check passed or not needed.

    `data` is all of its bytes, from the first that belongs to it to the last, so that parsing it again gives the
    same telegram. `offset` counts bytes since the framer was made. `crc` names the variant of P1's CRC that fitted
    where it is not the usual one (meters.wires.p1_crc).
    """

    protocol: Wire
    data: bytes
    offset: int = 0
    crc: str = ""


@dataclass(frozen=True, slots=True)
class MeterTime:
    """A time stamp as a meter states it.

    `at` is aware UTC where the stamp carries its offset (P1's S and W, IEC 62056-21's season flag), else None;
    `local` is the naive wall-clock time; `dst` marks summer time where the stamp says so.
    """

    local: datetime
    dst: bool | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One addressed value of a telegram, before any spec has had its say.

    `address` is the code as the wire gives it, normalised where it is OBIS (`1-0:1.8.0`, `*F` only where F is not
    255), else as it stands (`6.26`, `P.01`, `F.F`), of M-Bus as meters.wires.mbus.telegram spells it. `value` is a
    Decimal after the wire's own scaler, text, octets,
    or None for an entry without value. `unit` is the wire's unit as contract.obis spells units (`Wh`, `kWh`, `W`),
    None where the wire names none. `scaler` and `width` (octets of the integer on the wire, negative where signed)
    and `status` are there for quirks. `at` is a stamp of the record's own. `index` is its place among records of the
    same address.
    """

    address: str
    value: Decimal | str | bytes | None
    unit: str | None = None
    at: MeterTime | None = None
    status: int | None = None
    scaler: int | None = None
    width: int | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """The values of one interval of a load profile; `at` is its stamp, of the interval's END unless its spec says else.

    Where a block states the stamp of its first interval only, `first` is that stamp and `after_s` how many seconds
    later this interval's lies, in true time: a wall clock may have been changed in between. `status` is the interval's
    status word in hex, '' where the meter states none.
    """

    at: MeterTime
    records: tuple[Record, ...]
    status: str = ""
    first: MeterTime | None = None
    after_s: int = 0
    kept: str = ""
    """Of values that a telegram carries beside those of now: by what their stamp says when they were kept, `time`, or
    `day` where it has no time of day."""


@dataclass(frozen=True, slots=True)
class Security:
    """How a ciphered telegram was protected: whose it is by its system title, its frame counter, and its tag.

    `title` begins with the maker's three letters where it has them (`maker`, else ''). `verified` where the tag at its
    end was checked; many meters have none.
    """

    title: str
    maker: str
    counter: int
    verified: bool


@dataclass(frozen=True, slots=True)
class Telegram:
    """One decoded push or reply: records, facts that tell the product, and the meter's time where it has one.

    Facts are short texts by name. All protocols use `manufacturer` (three letter FLAG code, upper case), `serial`,
    `product`, `firmware` where the wire gives them; P1 and IEC 62056-21 add `identification` (the line after `/`,
    without the line end) and P1 `version` (1-3:0.2.8 or 0-0:96.1.4); SML adds `server_id` (hex);
    DLMS adds `list` (the name of the pushed list), `push` (the push setup object that sends it), `asked` (`yes` where a
    client asked for it) and, where it is ciphered, `system_title`; M-Bus adds `medium` (a word), `version` (the
    generation in its head) and `status` (what its status octet complains of); Modbus adds `unit` and `vendor` (the
    maker's name in full).
    """

    protocol: Wire
    records: tuple[Record, ...]
    facts: dict[str, str] = field(default_factory=dict)
    time: MeterTime | None = None
    profile: tuple[ProfileRow, ...] = ()
    frame: bytes = b""
    security: Security | None = None
    log: tuple[ProfileRow, ...] = ()
    """Entries of an event log (IEC 62056-21 P.98): what happened stands in the status word or in a column."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The distinct addresses in the order of the wire."""
        return tuple(dict.fromkeys(record.address for record in self.records))


class Framer(Protocol):
    """A sans-io link reader: bytes in, whole frames and named failures out; its buffer is bounded.

    It resynchronises by itself: a bad or torn frame is given once as FrameError (with its bytes), and the next good
    frame is read.
    """

    protocol: Wire

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no frame since the framer was made."""
        ...

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """Take any slice of the line; return what it completed, in order."""
        ...

    def finish(self) -> list[Frame | FrameError]:
        """End of input or long silence: what is left is a torn frame, or a frame that only silence could end."""
        ...
