"""The bytes of a payload into what expressions can look at: bounded, whatever was sent."""

import codecs
import csv
import io
import json
from typing import Any, Final
from urllib.parse import parse_qsl

from meters.mappings.document import Form

MOST_BODY_BYTES: Final = 16 * 1024 * 1024
MOST_DEPTH: Final = 32
MOST_LINES: Final = 200_000
MOST_COLUMNS: Final = 1024
MOST_CELLS: Final = 4_000_000
"""Cells of all lines: each takes some fifty times of what an empty one took in the payload."""
MOST_FIELDS: Final = 4096
"""Fields of a form."""
_DELIMITERS: Final = ";,\t|"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class BodyError(ValueError):
    """A payload, or a line of it, that is not of its mapping's form; the text says what is wrong where."""


def read_body(form: Form, body: bytes) -> Any:
    """What a payload holds. Raises BodyError.

    NaN and Infinity, which JSON has not and many devices send, are null. Of NDJSON a line that is no JSON is an
    Unreadable among the others.
    """
    if len(body) > MOST_BODY_BYTES:
        raise BodyError(f"{len(body)} bytes; at most {MOST_BODY_BYTES}")
    text = _text(form, body)
    if form.type == "json":
        return read_json(text)
    if form.type == "ndjson":
        return _lines(text)
    if form.type == "csv":
        return _table(form, text)
    if form.type == "form":
        return _fields(text)
    return {"value": text.strip()}


class Unreadable(str):
    """Why a line of NDJSON is no record."""

    __slots__ = ()


def _text(form: Form, body: bytes) -> str:
    encoding = next((name for mark, name in _BOMS if body.startswith(mark)), form.encoding)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise BodyError(f"no {encoding} text at byte {error.start}; format.encoding says what it is in") from error
    return text.removeprefix("\ufeff")


def read_json(text: str) -> Any:
    """A JSON text. Raises BodyError for none, a name that stands twice, and one that nests too deep."""
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=lambda _: None)
    except RecursionError as error:
        raise BodyError(f"nested deeper than {MOST_DEPTH}") from error
    except BodyError:
        raise
    except ValueError as error:
        raise BodyError(f"no JSON: {str(error)[:160]}") from error
    if _is_deep(document):
        raise BodyError(f"nested deeper than {MOST_DEPTH}")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set[str]()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BodyError(f"the name {twice[:64]!r} stands twice in one object")
    return found


def _is_deep(document: Any) -> bool:
    layer = [document]
    for _ in range(MOST_DEPTH + 1):
        holders = [item for item in layer if isinstance(item, dict | list)]
        if not holders:
            return False
        layer = [child for item in holders for child in (item.values() if isinstance(item, dict) else item)]
    return True


def _lines(text: str) -> list[Any]:
    found = list[Any]()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(found) >= MOST_LINES:
            raise BodyError(f"more than {MOST_LINES} lines")
        try:
            found.append(read_json(line))
        except BodyError as error:
            found.append(Unreadable(f"line {number}: {error}"))
    return found


def _table(form: Form, text: str) -> list[dict[str, str]]:
    """Records by the names of their columns; what has no name is c1, c2, ..., and a cell that is missing is empty."""
    if "\0" in text:
        raise BodyError("a NUL character; a CSV has none")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter)
    names: list[str] | None = None if form.header else list(form.columns)
    found, cells, lone = list[dict[str, str]](), 0, ""
    try:
        for number, row in enumerate(rows):
            if number < form.skip_lines or not any(cell.strip() for cell in row):
                continue
            if len(row) > MOST_COLUMNS:
                raise BodyError(f"line {rows.line_num}: more than {MOST_COLUMNS} columns")
            if names is None:
                names = list(form.columns) or _names(row, rows.line_num)
                lone = names[0] if len(row) == 1 else ""
                continue
            if len(found) >= MOST_LINES:
                raise BodyError(f"more than {MOST_LINES} lines")
            cells += len(row)
            if cells > MOST_CELLS:
                raise BodyError(f"line {rows.line_num}: more than {MOST_CELLS} cells")
            names += [f"c{place}" for place in range(len(names) + 1, len(row) + 1)]
            found.append({name: cell.strip() for name, cell in zip(names, row, strict=False)})
    except csv.Error as error:
        raise BodyError(f"line {rows.line_num}: {error}") from error
    if lone and found:
        _check_delimiter(form, lone, found[0][lone])
    return found


def _check_delimiter(form: Form, column: str, cell: str) -> None:
    """Refuse a table whose only column, as its first cell, looks like several: each value would be "missing"."""
    for other in _DELIMITERS:
        times = column.count(other)
        if times and cell.count(other) == times and other not in (form.delimiter, form.decimal):
            raise BodyError(
                f"one column only, {column[:80]!r}: is format.delimiter {other!r} in place of {form.delimiter!r}?"
            )


def _names(row: list[str], line: int) -> list[str]:
    names = [cell.strip() or f"c{place}" for place, cell in enumerate(row, 1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BodyError(f"line {line}: the column {twice[:64]!r} stands twice; name them in format.columns")
    return names


def _fields(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text.strip(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise BodyError(f"no form: {str(error)[:160]}") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BodyError("no form: a field stands twice")
    return found
