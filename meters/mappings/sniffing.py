"""Which form a payload has, by what its sender says of it and by itself."""

import csv
import io
import json
import re
from typing import Final

from meters.mappings.document import Form
from meters.mappings.types import Payload

_HEAD: Final = 64 * 1024
_DELIMITERS: Final = (";", ",", "\t", "|")


def sniff(sample: Payload) -> tuple[Form, list[str]]:
    """The form, and what of it is a guess."""
    notes = list[str]()
    encoding, text = _text(sample.body)
    if encoding != "utf-8":
        notes.append(f"format.encoding: {encoding}, for it is no UTF-8")
    return _form(sample, text.lstrip("\ufeff").strip(), encoding, notes), notes


def _text(body: bytes) -> tuple[str, str]:
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", body.decode("utf-16", "replace")
    try:
        return "utf-8", body.decode()
    except UnicodeDecodeError:
        return "cp1252", body.decode("cp1252", "replace")


def _form(sample: Payload, text: str, encoding: str, notes: list[str]) -> Form:
    said = sample.content_type.partition(";")[0].strip().lower()
    more = {} if encoding == "utf-8" else {"encoding": encoding}
    if said == "application/x-www-form-urlencoded" or re.fullmatch(r"[\w.%+-]+=[^&\n]*(&[\w.%+-]+=[^&\n]*)+", text):
        return Form.model_validate({"type": "form"} | more)
    if text[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            lines = [line for line in text.split("\n") if line.strip()]
            kind = "ndjson" if len(lines) > 1 and all(line.strip()[:1] in ("{", "[") for line in lines) else "json"
            return Form.model_validate({"type": kind} | more)
        return Form.model_validate({"type": "json"} | more)
    if "\n" in text:
        return _table(text, more, notes)
    return Form.model_validate({"type": "raw"} | more)


def _table(text: str, more: dict[str, str], notes: list[str]) -> Form:
    lines = text[:_HEAD].splitlines()
    delimiter = max(_DELIMITERS, key=lambda sign: min((line.count(sign) for line in lines[-3:]), default=0))
    wanted = lines[-1].count(delimiter)
    skip = next((number for number, line in enumerate(lines) if line.count(delimiter) >= wanted), 0)
    rows = list(csv.reader(io.StringIO("\n".join(lines[skip:])), delimiter=delimiter))
    header = not any(re.fullmatch(r"[+-]?[\d.,]+", cell.strip()) for cell in rows[0])
    cells = [cell.strip() for row in rows[1:] for cell in row]
    comma = delimiter != "," and any(re.fullmatch(r"[+-]?\d+,\d+|[+-]?\d{1,3}(\.\d{3})+,\d+", cell) for cell in cells)
    found: dict[str, object] = {"type": "csv", "delimiter": delimiter, **more}
    if comma:
        found["decimal"] = ","
        notes.append("format.decimal: a comma")
        if any(re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", cell) for cell in cells):
            found["thousands"] = "."
    if skip:
        found["skip_lines"] = skip
    if not header:
        found["header"] = False
        notes.append("format.header: the first line looks like a record; columns are c1, c2, ...")
    return Form.model_validate(found)
