"""What third parties call quantities, times and meters: guesses for a draft, which an engineer corrects."""

import re
from dataclasses import dataclass
from typing import Final

from broker.contract.obis import Obis
from broker.errors import ContractError


@dataclass(frozen=True, slots=True)
class Guess:
    """A code and the unit that the source seems to send; `sure` where the name says the unit, or there is but one.

    `assumed_import` where the name says an energy, and not whether it is drawn or fed in.
    """

    code: str
    unit: str
    sure: bool
    assumed_import: bool = False


_IN: Final = r"import|imported|consum|consumed|consumption|delivered|bezug|verbrauch|in|used"
_OUT: Final = (
    r"export|exported|return|returned|ret|feed|feedin|fed|injected|production|produced|einspeisung|lieferung|out"
)
_WORK: Final = r"energy|total|work|register|kwh|wh"
_SPANS: Final = (
    r"today|yesterday|day|daily|tag|heute|gestern|week|weekly|month|monthly|year|yearly|hour|hourly|interval|period|delta|"
    r"price|cost|costs|max|min|avg|average|per"
)
"""Words by which an energy is no register: of a day, a price, a mean."""
_QUANTITIES: Final = (
    (rf"(?=.*\b({_WORK}|zaehlerstand)\b)(?=.*\b({_OUT})\b)|\beinspeisung\b", "2.8.0", "kWh"),
    (r"\b(yield|yieldtotal)\b", "2.8.0", "kWh"),
    (rf"(?=.*\b({_WORK})\b)(?=.*\b({_IN}|act|active)\b)|\bbezug\b", "1.8.0", "kWh"),
    (r"^(energy|total|energy total|total energy|zaehlerstand|meter reading|reading)$", "1.8.0", "kWh"),
    (r"^(import|imported|consumption|verbrauch)( total)?$", "1.8.0", "kWh"),
    (r"^(export|exported|feedin|feed in)( total)?$", "2.8.0", "kWh"),
    (r"\b(reactive|blind|reactivepower|var|varh|kvarh)\b", "", ""),
    (rf"^(?!.*\b({_SPANS}|apparent)\b).*\b(kwh|wh|mwh)\b", "1.8.0", "kWh"),
    (r"\b(apparent power|apparentpower|aprt power|va)\b", "9.7.0", "VA"),
    (r"\b(power factor|powerfactor|pf|factor|cosphi)\b", "13.7.0", ""),
    (r"\b(power|apower|leistung|watts?|wirkleistung|p|w|kw)\b", "16.7.0", "W"),
    (r"\b(voltage|spannung|volts?|u|v)\b", "12.7.0", "V"),
    (r"\b(current|strom|amps?|ampere|i)\b", "11.7.0", "A"),
    (r"\b(frequency|freq|frequenz|hz)\b", "14.7.0", "Hz"),
)  # fmt: skip
_MEDIA: Final = ((r"\b(gas)\b", "7-0:3.0.0", "m³"), (r"\b(water|wasser)\b", "8-0:1.0.0", "m³"))
_UNITS: Final = {"kwh": "kWh", "wh": "Wh", "mwh": "MWh", "kw": "kW", "w": "W", "watt": "W", "watts": "W", "v": "V",
                 "mv": "mV", "a": "A", "ma": "mA", "va": "VA", "hz": "Hz", "m3": "m³", "l": "l"}  # fmt: skip
_SAYS_IMPORT: Final = re.compile(rf"\b({_IN})\b")
_TARIFF: Final = re.compile(r"\b(?:tariff?|rate|t) ?([1-4])\b")
_ONE_UNIT: Final = ("12.7.0", "11.7.0", "14.7.0", "13.7.0")
_PHASE: Final = re.compile(r"\b(?:l|phase|ph)?\s?([123])\b|\b([abc])\b")
_TIMES: Final = re.compile(
    r"\b(ts|time|timestamp|datetime|date|zeit|zeitpunkt|zeitstempel|datum|measured at|at|t|epoch)\b"
)
_METERS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(meter id|meterid|meter number|meter serial|zaehlernummer|zaehler|meternumber|ean|mpan|malo|melo)\b",
        r"^(meter|device|devices?)? ?(serial|serial number|serialnumber|sn)$|\bserial\b",
        r"\b(device id|deviceid|device|meter|dev id|unit id|mac|imei|eui|deveui)\b",
        r"^(m|id|name|site|key|dev)$",
    )
)


def words(name: str) -> str:
    """A name as words in lower case: `EnergyImport_kWh` is `energy import kwh`."""
    spaced = re.sub(r"(?<=[a-z])(?=[kKM]Wh?(?![A-Za-z]))|(?<=[a-jl-z])(?=Wh?(?![A-Za-z]))", " ", name)
    spaced = re.sub(r"(?<=[a-z][a-z])(?=[A-Z][a-z])", " ", spaced)
    for umlaut, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        spaced = spaced.replace(umlaut, plain).replace(umlaut.upper(), plain)
    return " ".join(re.sub(r"[^A-Za-z0-9]+", " ", spaced).lower().split())


def guess_quantity(name: str) -> Guess | None:
    """The quantity that a name means; None where it means none that we know."""
    coded = _obis(name)
    if coded is not None:
        return Guess(coded, "", sure=True)
    said = re.sub(r"^(u|v|i|p|voltage|current|power|spannung|strom|leistung) ?l?([123])$", r"\1 l\2", words(name))
    unit = next((_UNITS[word] for word in reversed(said.split()) if word in _UNITS), "")
    for pattern, code, usual in _MEDIA:
        if re.search(pattern, said):
            return Guess(code, unit or usual, sure=bool(unit))
    code, usual = next(((code, usual) for pattern, code, usual in _QUANTITIES if re.search(pattern, said)), ("", ""))
    if not code:
        return None
    assumed = code == "1.8.0" and _SAYS_IMPORT.search(said) is None
    return Guess(f"1-0:{_narrowed(code, said)}", unit or usual, bool(unit) or code in _ONE_UNIT, assumed)


def _narrowed(code: str, said: str) -> str:
    """The code of a tariff or a phase, where the name says one."""
    tariff = _TARIFF.search(said) if code.endswith(".8.0") else None
    if tariff is not None:
        return f"{code[:-1]}{tariff[1]}"
    found = _PHASE.search(said)
    if found is None:
        return code
    phase = int(found[1]) if found[1] else "abc".index(found[2]) + 1
    first, rest = code.split(".", 1)
    return f"{int(first) + 20 * phase}.{rest}"


def _obis(name: str) -> str | None:
    if not re.fullmatch(r"(\d{1,3}-\d{1,3}:)?\d{1,3}\.\d{1,3}\.\d{1,3}([*.]\d{1,3})?", name.strip()):
        return None
    try:
        return str(Obis.parse(name.strip()))
    except ContractError:
        return None


def is_time(name: str) -> bool:
    """Whether a name is one of a time."""
    return _TIMES.search(words(name)) is not None


def meter_rank(name: str) -> int | None:
    """How likely a name is a meter's, 0 the likeliest; None where it is none."""
    said = words(name)
    return next((rank for rank, pattern in enumerate(_METERS) if pattern.search(said)), None)
