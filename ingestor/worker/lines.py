"""A file of lines cut into portions of whole records, each with the numbers of its lines. Pure functions."""

from dataclasses import dataclass, field

from broker.errors import ContractError


@dataclass(slots=True)
class Portion:
    """Whole records from the beginning of some bytes: `bytes` long, over so many lines."""

    bytes: int = 0
    lines: int = 0
    numbers: list[int] = field(default_factory=list)
    """The line of each record that is not blank, from 0."""


def cut(data: bytes, *, whole: bool, quoted: bool, blank: bytes, most: int) -> Portion:
    """At most so many records; `whole` where nothing comes behind the bytes, so that the last needs no end of line.

    Where cells may be `quoted`, an end of line inside of quotes ends no record (RFC 4180 2.6). A record of nothing but
    the `blank` characters is none. No bytes where not even one record is whole.
    """
    found, start, begun, odd = Portion(), 0, 0, False
    while start < len(data) and len(found.numbers) < most:
        end = data.find(b"\n", start)
        if end < 0 and not whole:
            break
        end = len(data) if end < 0 else end + 1
        if quoted and data.count(b'"', start, end) % 2:
            odd = not odd
        start = end
        if odd and not (whole and end == len(data)):
            continue
        record = data[found.bytes : end]
        if record.strip(blank):
            found.numbers.append(begun)
        found.lines += record.count(b"\n") or 1
        found.bytes, begun, odd = end, found.lines, False
    return found


def heading(data: bytes, *, skip_lines: int, header: bool, blank: bytes) -> tuple[bytes, Portion]:
    """The record that names the columns, b"" without one, and all that stands up to it. Raises ContractError."""
    above = Portion()
    for _ in range(skip_lines):
        one = cut(data[above.bytes :], whole=False, quoted=True, blank=b"", most=1)
        above = Portion(above.bytes + one.bytes, above.lines + one.lines)
    if not header:
        return b"", above
    names = cut(data[above.bytes :], whole=True, quoted=True, blank=blank, most=1)
    if not names.numbers:
        raise ContractError("the file has no header", field="format.header", fix="say header: false, and columns")
    end = above.bytes + names.bytes
    return data[above.bytes : end], Portion(end, above.lines + names.lines)
