"""OBIS codes of M-Bus records (EN 13757-1 annexes): which quantity of which medium is which code."""

from typing import Final

from meters.wires.mbus.records import DataRecord

ELECTRICITY, GAS, HEAT, COOLING, COLD_WATER, HOT_WATER = 1, 7, 6, 5, 8, 9
MEDIA: Final[dict[int, tuple[str, int]]] = {
    0x00: ("other", 0), 0x01: ("oil", 0), 0x02: ("electricity", ELECTRICITY), 0x03: ("gas", GAS), 0x04: ("heat", HEAT),
    0x05: ("steam", 0), 0x06: ("warm water", HOT_WATER), 0x07: ("water", COLD_WATER), 0x08: ("heat cost allocator", 0),
    0x09: ("compressed air", 0), 0x0A: ("cooling", COOLING), 0x0B: ("cooling", COOLING), 0x0C: ("heat", HEAT),
    0x0D: ("heat and cooling", HEAT), 0x0E: ("bus", 0), 0x0F: ("unknown", 0), 0x14: ("calorific value", 0),
    0x15: ("hot water", HOT_WATER), 0x16: ("cold water", COLD_WATER), 0x17: ("water, cold and hot", 0),
    0x18: ("pressure", 0), 0x19: ("a/d converter", 0), 0x1A: ("smoke detector", 0), 0x1B: ("room sensor", 0),
    0x1C: ("gas detector", 0), 0x20: ("breaker", 0), 0x21: ("valve", 0), 0x25: ("customer unit", 0),
    0x28: ("waste water", 0), 0x31: ("communication controller", 0), 0x36: ("radio converter", 0),
}  # fmt: skip
"""Medium by its code (EN 13757-7 table 13): a word for facts, and the OBIS group A, 0 where none is used."""
_IMPORT, _EXPORT = "3b", "3c"
_PHASES: Final = {"7c01": 1, "7c02": 2, "7c03": 3}
_NEUTRAL: Final = "7c04"
_ENERGIES: Final = {"energy": (1, 2), "reactive-energy": (3, 4), "apparent-energy": (9, 10)}
_POWERS: Final = {"power": (16, 1, 2), "reactive-power": (131, 3, 4), "apparent-power": (9, 9, 10)}
_PLAIN: Final = {"current": 11, "voltage": 12, "frequency": 14}
_THERMAL: Final = {
    "volume": 2, "power": 8, "flow": 9, "flow-temperature": 10, "return-temperature": 11, "temperature-difference": 12
}  # fmt: skip
_MAX_TARIFF: Final = 63


def obis_of(medium: int, record: DataRecord) -> str:
    """The code of a value of now, of the meter itself; '' where the standard gives none.

    Values of earlier days, of another subunit, maxima, and what a maker's own code changes have none: a product's spec
    knows them by their address.
    """
    if record.storage or record.subunit or record.function or record.tariff > _MAX_TARIFF:
        return ""
    group = MEDIA.get(medium, ("", 0))[1]
    if group == ELECTRICITY:
        return _electricity(record)
    if group in (HEAT, COOLING) and not record.vib.more:
        return _thermal(group, record)
    return _volume(group, record) if group and not record.vib.more else ""


def _thermal(group: int, record: DataRecord) -> str:
    name = record.vib.meaning.name
    if name == "energy":
        return f"{group}-0:1.0.{record.tariff}"
    return f"{group}-0:{_THERMAL[name]}.0.0" if name in _THERMAL and not record.tariff else ""


def _volume(group: int, record: DataRecord) -> str:
    name = record.vib.meaning.name
    if name == "volume":
        return f"{group}-0:{3 if group == GAS else 1}.0.{record.tariff}"
    return f"{group}-0:2.0.0" if name == "flow" and group != GAS and not record.tariff else ""


def _electricity(record: DataRecord) -> str:
    name, more = record.vib.meaning.name, list(record.vib.more)
    way = 2 if _EXPORT in more else 1 if _IMPORT in more else 0
    phase = next((_PHASES[code] for code in more if code in _PHASES), 0)
    neutral = _NEUTRAL in more and name == "current"
    known = (_IMPORT, _EXPORT, *_PHASES, *((_NEUTRAL,) if neutral else ()))
    if any(code not in known for code in more) or len(more) > 2:
        return ""
    if name in _ENERGIES:
        return f"1-0:{_ENERGIES[name][way == 2] + 20 * phase}.8.{record.tariff}"
    if name == "reactive-power" and phase and not way:
        code = 131 + 20 * phase
    elif name in _POWERS:
        code = _POWERS[name][way] + 20 * phase
    elif neutral:
        code = 91
    else:
        code = _PLAIN[name] + 20 * phase if name in _PLAIN and not way else 0
    return f"1-0:{code}.7.0" if code and not record.tariff else ""
