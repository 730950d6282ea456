"""Which meter speaks on a port: facts gathered over telegrams, its key, and the sub-meters behind it."""

import re
from dataclasses import dataclass, field

from meters.telegram import Telegram, Wire
from meters.wires.p1 import plain_id

MAX_ADDRESSES = 1024
_SUB_ADDRESS = re.compile(r"0-([1-9][0-9]?):(24\.[0-9]+\.[0-9]+|96\.1\.[01])(?:\*[0-9]+)?")
_WHO = ("manufacturer", "serial")
_NO_MAKER = "UNK"
_TITLE_LETTERS = 13
"""Of a title that begins with its maker's letters; one of hex digits alone has 16."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A meter as its telegrams describe it so far. `key` is `FLAG:serial` without spaces, '' until both are known."""

    key: str
    protocol: Wire
    manufacturer: str = ""
    product: str = ""
    serial: str = ""
    firmware: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubMeter:
    """A meter read through another's P1 port: M-Bus channel, equipment id, device type (EN 13757-3: 3 gas, 7 water)."""

    channel: int
    serial: str
    device_type: str
    addresses: tuple[str, ...]


class Identifier:
    """Gathers facts over the telegrams of one port: a short telegram without identity adds to what longer ones said.

    A telegram of another protocol, serial or manufacturer, or of another header where no serial is known, is another
    meter: all is gathered anew and `add` returns an Identity of another key.
    """

    def __init__(self) -> None:
        self._protocol: Wire | None = None
        self._facts: dict[str, str] = {}
        self._addresses: dict[str, None] = {}

    def add(self, telegram: Telegram) -> Identity:
        """Take a telegram's facts; return what is known with it."""
        if self._is_other(telegram):
            self._facts = {}
            self._addresses = {}
        self._protocol = telegram.protocol
        self._facts |= telegram.facts
        for address in telegram.addresses:
            if len(self._addresses) >= MAX_ADDRESSES:
                break
            self._addresses[address] = None
        facts = self._facts
        return Identity(
            key=meter_key(facts.get("manufacturer", ""), facts.get("serial", "")),
            protocol=telegram.protocol,
            manufacturer=facts.get("manufacturer", ""),
            product=facts.get("product", ""),
            serial=facts.get("serial", ""),
            firmware=facts.get("firmware", ""),
            facts=dict(facts),
            addresses=tuple(self._addresses),
        )

    def _is_other(self, telegram: Telegram) -> bool:
        if self._protocol is not telegram.protocol:
            return True
        pairs = [(self._facts[name], telegram.facts[name]) for name in _WHO if {name} <= self._both(telegram)]
        if any(before != now for before, now in pairs):
            return True
        return (
            "serial" not in self._both(telegram)
            and "identification" in self._both(telegram)
            and self._facts["identification"] != telegram.facts["identification"]
        )

    def _both(self, telegram: Telegram) -> set[str]:
        return self._facts.keys() & telegram.facts.keys()


def meter_key(manufacturer: str, serial: str) -> str:
    """`FLAG:serial` in printable ASCII without spaces, at most 96 characters; '' where either is unknown."""
    plain = "".join(letter for letter in serial if "!" <= letter <= "~")
    return f"{manufacturer}:{plain}"[:96] if manufacturer and plain else ""


def ciphered_key(title: str) -> str:
    """The key of a meter whose telegrams are ciphered, by the system title that they carry in clear.

    It is the same before its key is known and after, whatever the telegrams say inside. `title` is as
    wires.dlms.ciphered.title_text writes it: the maker's three letters, then hex digits.
    """
    maker = title[:3] if title[:3].isalpha() and len(title) == _TITLE_LETTERS else ""
    return meter_key(maker or _NO_MAKER, title.removeprefix(maker))


def sub_meters(telegram: Telegram) -> tuple[SubMeter, ...]:
    """The meters on the M-Bus channels of a P1 telegram, by channel; a channel without any value counts too."""
    channels: dict[int, list[str]] = {}
    texts: dict[tuple[int, str], str] = {}
    for record in telegram.records:
        match = _SUB_ADDRESS.fullmatch(record.address)
        if match is None:
            continue
        channel = int(match.group(1))
        addresses = channels.setdefault(channel, [])
        if record.address not in addresses:
            addresses.append(record.address)
        if record.value is not None:
            texts.setdefault((channel, match.group(2)), str(record.value))
    return tuple(
        SubMeter(
            channel,
            plain_id(texts.get((channel, "96.1.0")) or texts.get((channel, "96.1.1"), "")),
            texts.get((channel, "24.1.0"), ""),
            tuple(channels[channel]),
        )
        for channel in sorted(channels)
    )
