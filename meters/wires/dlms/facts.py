"""What a pushed list tells of its meter: maker, serial, product and the list's own name, by codes or by their look."""

import re
from collections.abc import Iterable
from typing import Final

from meters.telegram import Record

_NAMED: Final = re.compile(r"([A-Z]{3})[0-9A-Z]{8,13}")
"""A logical device name (IEC 62056-6-2 4.1.8.1): the maker's FLAG code, then the maker's number."""
_LIST: Final = re.compile(r"([A-Za-z]{3,8})_V?[0-9A-Z]{3,5}")
"""The name of a list and its version: AIDON_V0001, Kamstrup_V0001, KFM_001."""
_FLAGS: Final = {"AIDON": "ADN", "KAMSTRUP": "KAM"}
"""FLAG codes of makers that write their name out in their list's."""
_SERIAL: Final = re.compile(r"[0-9]{8,18}")
_PRODUCT: Final = re.compile(r"(?=.*[0-9])[A-Z]{2}[0-9A-Z]{3,14}")
_DEVICE_NAME: Final = "0-0:42.0.0"
_LISTS: Final = ("1-1:0.2.129", "1-0:0.2.129")
_SERIALS: Final = ("0-0:96.1.0", "1-1:0.0.5", "0-0:42.0.0", "0-0:96.1.1", "0-0:96.1.2", "1-0:96.1.0")
_PRODUCTS: Final = ("0-0:96.1.7", "1-1:96.1.1")
_PLACES: Final = 6
"""Texts of a list without codes that may name the meter stand at its beginning."""


def text_of(record: Record) -> str:
    """The record's value as a text of printable characters, '' where it is none."""
    value = record.value
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        return ""
    value = value.strip("\x00 ")
    return value if value.isascii() and value.isprintable() else ""


def facts_of(records: Iterable[Record], push: str) -> dict[str, str]:
    """Facts by name, those that the list does not tell left out."""
    texts: dict[str, str] = {}
    for record in records:
        if text := text_of(record):
            texts.setdefault(record.address, text)
    places = [text for address, text in texts.items() if address.startswith("#") and len(text) > 4]
    found = {"push": push, **_by_look(places[:_PLACES])}
    for name, addresses in (("list", _LISTS), ("serial", _SERIALS), ("product", _PRODUCTS)):
        text = next((texts[one] for one in addresses if texts.get(one, "").strip("0")), "")
        if text:
            found[name] = text
    named = _NAMED.fullmatch(texts.get(_DEVICE_NAME, ""))
    if named:
        found["manufacturer"] = named[1]
        if found.get("serial") == named[0]:
            found["serial"] = named[0][3:]
    maker = _LIST.fullmatch(found.get("list", ""))
    if maker and "manufacturer" not in found:
        found["manufacturer"] = _FLAGS.get(maker[1].upper(), maker[1].upper()[:3])
    return {name: text[:64] for name, text in found.items() if text}


def _by_look(texts: list[str]) -> dict[str, str]:
    """Of a list without codes: a logical device name, a list's name, a number, a product, whichever come first."""
    found: dict[str, str] = {}
    for text in texts:
        if named := _NAMED.fullmatch(text):
            if "manufacturer" not in found:
                found |= {"manufacturer": named[1], "serial": text[3:]}
        elif _LIST.fullmatch(text):
            found.setdefault("list", text)
        elif _SERIAL.fullmatch(text):
            found.setdefault("serial", text)
        elif _PRODUCT.fullmatch(text):
            found.setdefault("product", text)
    return found
