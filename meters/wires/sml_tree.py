"""SML's binary encoding (BSI TR-03109-1 IV, 6): type-length fields, lists, integers of any width, octet strings."""

from broker.errors import FrameError

Node = None | int | bytes | bool | list["Node"]

MAX_DEPTH = 12
MAX_LIST = 4096
_MAX_INTEGER_OCTETS = 16
_MAX_LENGTH_FIELDS = 4
_OCTETS, _BOOLEAN, _SIGNED, _UNSIGNED, _LIST = 0x00, 0x40, 0x50, 0x60, 0x70


def torn(at: int, detail: str = "a field reaches beyond its end") -> FrameError:
    """The error of a field at byte `at` of the messages."""
    return FrameError("malformed", detail, offset=at)


def head(data: bytes, at: int) -> tuple[int, int, int]:
    """The type, length (octets that follow, or elements of a list) and end of a type-length field.

    Raises FrameError for lengths that reach beyond the data.
    """
    if at >= len(data):
        raise torn(at)
    field = data[at]
    kind = field & 0x70
    length = field & 0x0F
    end = at + 1
    while field & 0x80:
        if end >= len(data) or end - at >= _MAX_LENGTH_FIELDS:
            raise torn(at, "a length field of too many octets")
        field = data[end]
        if field & 0x70:
            raise torn(end, "a length field goes on with another type")
        length = length << 4 | field & 0x0F
        end += 1
    if kind == _LIST:
        if length > MAX_LIST or length > len(data) - end:
            raise torn(at, f"a list of {length} elements")
        return kind, length, end
    length -= end - at
    if length < 0 or end + length > len(data):
        # 0x00 is the end of a message, and no field.
        raise torn(at)
    return kind, length, end


def read(data: bytes, at: int, depth: int = 0) -> tuple[Node, int]:
    """The field at `at` and where the next begins. None is a field left out (0x01).

    Raises FrameError for what is no SML: unknown types, nesting beyond 12, lengths beyond the data.
    """
    first = data[at] if at < len(data) else 0
    if first == 0x01:
        return None, at + 1
    kind = first & 0xF0
    length = first & 0x0F
    end = at + 1
    if first & 0x80 or kind == _LIST or at + length > len(data) or not length:
        kind, length, end = head(data, at)
    else:
        length -= 1
    if kind == _OCTETS:
        return data[end : end + length], end + length
    if kind in (_UNSIGNED, _SIGNED):
        if not 0 < length <= _MAX_INTEGER_OCTETS:
            raise torn(at, f"an integer of {length} octets")
        return int.from_bytes(data[end : end + length], "big", signed=kind == _SIGNED), end + length
    if kind == _LIST:
        if depth >= MAX_DEPTH:
            raise torn(at, f"nested deeper than {MAX_DEPTH}")
        nodes: list[Node] = []
        for _ in range(length):
            node, end = read(data, end, depth + 1)
            nodes.append(node)
        return nodes, end
    if kind == _BOOLEAN and length == 1:
        return data[end] != 0, end + 1
    raise torn(at, f"unknown type 0x{first:02x}")


def width(data: bytes, at: int) -> int | None:
    """The octets of the integer at `at`, negative where it is signed; None where it is no integer."""
    kind, length, _ = head(data, at)
    if kind == _UNSIGNED:
        return length
    return -length if kind == _SIGNED else None
