"""Bad inputs from good ones: bits, octets, ranges, numbers, pieces of others; and JSON changed as JSON."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

MAX_OCTETS: Final = 64 * 1024
_NUMBERS: Final = (b"0", b"-1", b"9" * 20, b"1e308", b"1e999", b"-0.0", b"NaN", b"Infinity", b"2147483648", b"00", b".")
_PIECES: Final = (
    b"\x00", b"\xff", b"\x1b\x1b\x1b\x1b", b"\r\n", b"(", b")", b"*", b"!", b"/", b"{", b"[",
    b'"', b"\\u0000", b"\\ud800",
    "ů€\U0001f600".encode(), b"\xc0\x80", b"%s", b"../", b":", b"@", b"+", b"#", b"$",
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**31, 2**53, 2**63, 2**64, 10**400, 1.7e308, -1.7e308, 5e-324, 0.1, "", " ", "x" * 5000, "\x00",
    "\ud800", "1-0:1.8.0", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", [], {}, [[]],
    {"": ""}, [None], ["a"] * 300,
)  # fmt: skip


def mutated(seeds: tuple[bytes, ...], rng: random.Random) -> bytes:
    """One input: mostly a good one with a few changes, now and then noise alone."""
    chance = rng.random()
    if chance < 0.03:
        return rng.randbytes(rng.randrange(200))
    data = rng.choice(seeds)
    if chance < 0.5 and data[:1] in b"{[":
        return _as_json(data, rng)[:MAX_OCTETS]
    for _ in range(1 + int(rng.expovariate(0.7))):
        data = rng.choice(_WAYS)(bytearray(data), seeds, rng)
    return bytes(data[:MAX_OCTETS])


def _place(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(len(data) + 1)


def _flip(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _octet(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def _insert(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    place = _place(data, rng)
    data[place:place] = rng.choice(_PIECES) * rng.choice((1, 1, 1, 2, 100))
    return data


def _remove(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    place = _place(data, rng)
    del data[place : place + rng.choice((1, 1, 2, 4, 30, 1000))]
    return data


def _repeat(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    place = _place(data, rng)
    piece = data[place : place + rng.choice((1, 4, 30, 300))]
    data[place:place] = piece * rng.choice((1, 2, 50))
    return data


def _number(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    digits = [place for place, octet in enumerate(data) if 0x30 <= octet <= 0x39]
    if digits:
        start = end = rng.choice(digits)
        while end < len(data) and 0x30 <= data[end] <= 0x39:
            end += 1
        data[start:end] = rng.choice((*_NUMBERS, str(rng.randrange(10**6)).encode()))
    return data


def _splice(data: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> bytearray:
    other = rng.choice(seeds)
    place, start = _place(data, rng), rng.randrange(len(other) + 1)
    return data[:place] + other[start:]


def _cut(data: bytearray, _: tuple[bytes, ...], rng: random.Random) -> bytearray:
    return data[: _place(data, rng)]


_WAYS: Final[tuple[Callable[[bytearray, tuple[bytes, ...], random.Random], bytearray], ...]] = (
    _flip, _octet, _octet, _insert, _remove, _repeat, _number, _number, _splice, _cut,
)  # fmt: skip


def _as_json(data: bytes, rng: random.Random) -> bytes:
    try:
        document = json.loads(data)
    except ValueError:
        return data
    for _ in range(1 + int(rng.expovariate(1.0))):
        document = _changed(document, rng)
    if rng.random() < 0.02:
        depth = rng.randrange(5000)
        return b"[" * depth + data + b"]" * depth
    return json.dumps(document, ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value:
        return _changed_object(value, rng.choice(list(value)), rng)
    if isinstance(value, list) and value:
        place, chance = rng.randrange(len(value)), rng.randrange(5)
        if chance == 0:
            return value[:place] + value[place + 1 :]
        if chance == 1:
            return value * rng.choice((2, 2, 300))
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    if isinstance(value, str) and rng.random() < 0.4:
        octets = bytearray(value, "utf-8", "surrogatepass")
        return bytes(rng.choice(_WAYS)(octets, (b"x",), rng)).decode("utf-8", "replace")
    return rng.choice(_VALUES)


def _changed_object(value: dict[str, Any], key: str, rng: random.Random) -> dict[str, Any]:
    chance = rng.randrange(8)
    if chance == 0:
        return {name: one for name, one in value.items() if name != key}
    if chance == 1:
        return value | {rng.choice(("", "x", "\x00", "1-0:1.8.0", "k" * 300, "a.b", "ů")): rng.choice(_VALUES)}
    if chance == 2:
        return {rng.choice((name, f"{name}x", "")) if name == key else name: one for name, one in value.items()}
    return value | {key: _changed(value[key], rng)}
