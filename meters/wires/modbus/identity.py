"""Who answers at a Modbus unit: device identification, SunSpec's common model, and registers of makers, as facts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meters.wires.modbus.frames import DEVICE_ID, HOLDING, Exchange, Read
from meters.wires.modbus.values import number, text

OBJECTS: Final = Read(DEVICE_ID, 0, 1)
"""Vendor, product and revision, if the unit knows the function (Application Protocol 6.21)."""
SUNSPEC: Final = Read(HOLDING, 40000, 70)
"""`SunS`, and model 1 behind it (SunSpec, Common Models): every chain is longer than that."""
METERS: Final = (201, 202, 203, 204, 211, 212, 213, 214)
"""SunSpec's models of meters: one, split, three phases in star and delta, in whole numbers and in reals."""
_MARK: Final = b"SunS"
_COMMON: Final = 40002
_END: Final = 0xFFFF
_MAX_MODELS: Final = 32
_GAVAZZI: Final = {
    1648: "EM24DINAV23XE1X", 1649: "EM24DINAV23XE1PFA", 1650: "EM24DINAV23XE1PFB", 1651: "EM24DINAV53XE1X",
    1652: "EM24DINAV53XE1PFA", 1653: "EM24DINAV53XE1PFB",
}  # fmt: skip
"""Identification codes (victronenergy/dbus-modbus-client, carlo_gavazzi.py)."""
_TYPE, _SERIAL, _FIRMWARE = Read(HOLDING, 0x8960, 6), Read(HOLDING, 0x8900, 2), Read(HOLDING, 0x8908, 8)
_MODEL, _MAKER, _IEM_SERIAL = Read(HOLDING, 0x0031, 20), Read(HOLDING, 0x0045, 20), Read(HOLDING, 0x0081, 2)
_CODE, _EM_SERIAL = Read(HOLDING, 0x000B, 1), Read(HOLDING, 0x5000, 7)
_SDM_SERIAL: Final = Read(HOLDING, 0xFC00, 2)
_MAX_TEXT: Final = 64
Facts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Maker:
    """What a maker's units are known by: `first` is read, and where `facts` finds something in it, `more` too.

    `hint` begins the product's name as a person gives it: makers whose registers tell nothing by themselves are asked
    for only then.
    """

    first: Read
    more: tuple[Read, ...]
    facts: Callable[[Mapping[Read, bytes]], Facts]
    hint: tuple[str, ...] = ()
    hinted: bool = False


def _objects(data: bytes) -> Iterator[tuple[int, str]]:
    at = 5
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        yield data[at], text(data[at + 2 : end])
        at = end


def _device_id(found: Mapping[Read, bytes]) -> Facts:
    names = dict(_objects(found.get(OBJECTS, b"")))
    vendor = names.get(0, "")
    return {
        "manufacturer": letters(vendor),
        "vendor": vendor,
        "product": names.get(1, ""),
        "firmware": names.get(2, ""),
    }


def _sunspec(found: Mapping[Read, bytes]) -> Facts:
    data = found.get(SUNSPEC, b"")
    if not data.startswith(_MARK) or data[4:6] != b"\x00\x01":
        return {}
    maker, model, version, serial = (
        text(data[at : at + size]) for at, size in ((8, 32), (40, 32), (88, 16), (104, 32))
    )
    return {"manufacturer": letters(maker), "vendor": maker, "product": model, "firmware": version, "serial": serial}


def _abb(found: Mapping[Read, bytes]) -> Facts:
    product = text(found.get(_TYPE, b""))
    if not product.startswith(("A4", "B2")):
        return {}
    return {"manufacturer": "ABB", "product": product, "serial": _whole(found.get(_SERIAL, b"")),
            "firmware": text(found.get(_FIRMWARE, b""))}  # fmt: skip


def _schneider(found: Mapping[Read, bytes]) -> Facts:
    if "schneider" not in text(found.get(_MAKER, b"")).lower():
        return {}
    return {"manufacturer": "SCH", "product": text(found.get(_MODEL, b"")),
            "serial": _whole(found.get(_IEM_SERIAL, b""))}  # fmt: skip


def _gavazzi(found: Mapping[Read, bytes]) -> Facts:
    product = _GAVAZZI.get(int.from_bytes(found.get(_CODE, b"")), "")
    return {"manufacturer": "GAV", "product": product, "serial": text(found.get(_EM_SERIAL, b""))} if product else {}


def _eastron(found: Mapping[Read, bytes]) -> Facts:
    serial = _whole(found.get(_SDM_SERIAL, b""))
    return {"manufacturer": "EAS", "serial": serial} if serial.strip("0") else {}


def _whole(octets: bytes) -> str:
    found = number(octets, "uint32") if len(octets) == 4 else None
    return "" if found is None else str(found)


def letters(vendor: str) -> str:
    """The first three letters of a maker's name, as a key wants them; '' for less."""
    found = "".join(letter for letter in vendor if letter.isascii() and letter.isalpha())[:3].upper()
    return found if len(found) == 3 else ""


MAKERS: Final = (
    Maker(OBJECTS, (), _device_id),
    Maker(_TYPE, (_SERIAL, _FIRMWARE), _abb, ("A4", "B2")),
    Maker(_MAKER, (_MODEL, _IEM_SERIAL), _schneider, ("iEM",)),
    Maker(_CODE, (_EM_SERIAL,), _gavazzi, ("EM24",)),
    Maker(SUNSPEC, (), _sunspec, ("SunSpec",)),
    Maker(_SDM_SERIAL, (), _eastron, ("SDM",), hinted=True),
)
IDENTIFYING: Final = frozenset(read for maker in MAKERS for read in (maker.first, *maker.more))


def next_identifying(done: Sequence[Exchange], product: str = "") -> Read | None:
    """What to ask next to learn who answers; None once it is known, or nobody is left to be it.

    `product` is what a person says that stands there: of makers, only its own is asked for then.
    """
    found, asked = _answers(done), {one.read for one in done}
    header = _next_model(found)
    if header is not None and header not in asked:
        return header
    for maker in MAKERS:
        mine = not product or not maker.hint or product.startswith(maker.hint)
        if not mine or (maker.hinted and not product):
            continue
        if maker.first not in asked:
            return maker.first
        facts = maker.facts(found)
        rest = next((read for read in maker.more if read not in asked), None) if any(facts.values()) else None
        if rest is not None or facts.get("serial"):
            return rest
    return None


def facts_of(done: Sequence[Exchange]) -> Facts:
    """The facts in exchanges, of the first maker that they tell; of device identification and another's, both."""
    found = _answers(done)
    facts: Facts = {}
    for maker in MAKERS:
        facts = {**maker.facts(found), **{name: value for name, value in facts.items() if value}}
    meter = next((f"{model}@{address}" for model, address in models(found) if model in METERS), "")
    facts = {**facts, "sunspec": meter}
    return {name: value[:_MAX_TEXT] for name, value in facts.items() if value}


def models(found: Mapping[Read, bytes]) -> list[tuple[int, int]]:
    """The chain of SunSpec's models as far as its heads were read: number, and the register where each begins."""
    chain: list[tuple[int, int]] = []
    head = found.get(SUNSPEC, b"")[4:8] if found.get(SUNSPEC, b"").startswith(_MARK) else b""
    address = _COMMON
    while len(head) == 4 and len(chain) < _MAX_MODELS:
        model, size = int.from_bytes(head[:2]), int.from_bytes(head[2:])
        chain.append((model, address))
        if model == _END:
            break
        address += 2 + size
        head = found.get(Read(HOLDING, address, 2), b"") if address < _END else b""
    return chain


def _next_model(found: Mapping[Read, bytes]) -> Read | None:
    """The head of the model behind those that are known; None where a meter's is among them, or the chain ends."""
    chain = models(found)
    if not chain or len(chain) >= _MAX_MODELS or chain[-1][0] in (*METERS, _END):
        return None
    last = found.get(SUNSPEC, b"")[4:8] if len(chain) == 1 else found.get(Read(HOLDING, chain[-1][1], 2), b"")
    address = chain[-1][1] + 2 + int.from_bytes(last[2:])
    return Read(HOLDING, address, 2) if address < _END else None


def _answers(done: Sequence[Exchange]) -> dict[Read, bytes]:
    return {one.read: one.data for one in done if not one.exception}
