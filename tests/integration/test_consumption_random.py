"""Registers with every mishap mixed, on both editions: the steps agree with one another and with a plain reference."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from random import Random

from tests.rigs.register_reference import Register, exact
from tests.rigs.rollups import POINTS, Store, fill, stay, store_of
from tests.rigs.servers import Database

START = datetime(2026, 3, 8, 21, 7, tzinfo=UTC)
STEPS = ("15m", "1h", "1d", "1mo")
SEEDS = (*range(220, 250), 103, 263, 275, 283, 368, 401, 415, 17, 5, 42)
"""Some of which have found mistakes."""
SIZE = 100_000.0
WHOLE = "SELECT series_id, sum(value) FROM consumption_1h('2026-03-08 20:00Z', '2026-03-10 03:00Z')"
PARTS = """
SELECT c.series_id, sum(c.value)
FROM (VALUES ('2026-03-08 20:00Z', '2026-03-08 22:00Z'), ('2026-03-08 22:00Z', '2026-03-09 07:00Z'),
             ('2026-03-09 07:00Z', '2026-03-10 03:00Z')) t (since, until),
     consumption_15m(t.since::timestamptz, t.until::timestamptz) c
"""

Values = list[float]


def plain(chance: Random) -> tuple[list[datetime], Values]:
    """Readings of hours, days or weeks that only rise, some of which are missing."""
    every = timedelta(minutes=chance.choice((1, 5, 15, 60, 360)))
    stand = chance.choice((0.0, 40.0, 5000.0, 99_950.0))
    kw = chance.choice((0.0, 0.4, 9.0, 40.0))
    times, values = [], []
    for n in range(chance.randint(40, 250)):
        if chance.random() > 0.05:
            times.append(START + n * every)
            values.append(round(stand, 3))
        stand += kw * chance.random() * every.total_seconds() / 3600
    return times, values


def reset(chance: Random, values: Values, at: int) -> None:
    """From there on it counts from a lower stand."""
    to = chance.choice((0.0, 0.0, 3.5, round(values[at] / 2, 3)))
    values[at:] = [round(value - values[at] + to, 3) for value in values[at:]]


def excursion(chance: Random, values: Values, at: int) -> None:
    """Some readings are zero, or too low or too high by little or much."""
    level = chance.choice((0.0, -30.0, 30.0, 4000.0, 9_999_999.0))
    for i in range(at, min(at + chance.choice((1, 1, 1, 2, 4, 8, 25)), len(values))):
        values[i] = level if level in (0.0, 9_999_999.0) else max(0.0, round(values[i] + level, 3))


def jump(_: Random, values: Values, at: int) -> None:
    """From there on it stands higher."""
    values[at:] = [round(value + 20_000, 3) for value in values[at:]]


MISHAPS: tuple[Callable[[Random, Values, int], None], ...] = (reset, excursion, excursion, excursion, jump)


def mixed(number: int) -> Register:
    """A register with up to four mishaps anywhere, some right after one another; each fourth has no limit of power."""
    chance = Random(number)  # noqa: S311 - the same in each run
    times, values = plain(chance)
    at = 0
    for _ in range(chance.randint(0, 4)):
        near = at + chance.randint(1, 3) if chance.random() < 0.4 else chance.randrange(len(values))
        at = min(near, len(values) - 1)
        chance.choice(MISHAPS)(chance, values, chance.choice((at, at, at, 0, len(values) - 1)))
    values = [round(value % SIZE, 3) if value < 2 * SIZE else value for value in values]
    return Register(list(zip(times, values, strict=True)), inf if number % 4 == 0 else 300.0, SIZE)


def test_the_reference_loses_and_invents_nothing() -> None:
    """Plain rises count wholly, also around a few wrong readings; a reset costs one step."""
    for number in range(150):
        chance = Random(number)  # noqa: S311 - the same in each run
        times, values = plain(chance)
        values = [round(value + 2000, 3) for value in values]
        true = exact(values[-1]) - exact(values[0])
        assert Register(list(zip(times, values, strict=True))).total() == true
        at, many = chance.randrange(2, len(values) - 6), chance.randint(1, 4)
        wrong = chance.choice((0.0, values[at] - 500, 9_999_999.0, values[at] + 50_000))
        struck = [*values[:at], *[wrong] * many, *values[at + many :]]
        assert Register(list(zip(times, struck, strict=True))).total() == true, (number, at, many, wrong)
        fallen = [*values[:at], *(round(value - values[at], 3) for value in values[at:])]
        assert (
            Register(list(zip(times, fallen, strict=True))).total()
            == true - (exact(values[at]) - exact(values[at - 1]))
        ), (number, at)  # fmt: skip


async def stored(store: Store, registers: list[Register]) -> None:
    """Store them all; each fifth meter moves from one place to another amid its readings."""
    await fill(store, len(registers))
    await store.execute(POINTS)
    for number, register in enumerate(registers, 1):
        await store.add(number, *((at.isoformat(), value) for at, value in register.readings))
        if register.max_kw == inf:
            await store.execute(f"UPDATE series SET unit = 'm³' WHERE id = {number}")  # noqa: S608 - the test's own text
        if number % 5 == 0:
            at = register.readings[len(register.readings) // 2][0] + timedelta(seconds=20)
            await stay(store, 1 + number % 2, number, "2026-01-01Z", at.isoformat())
            await stay(store, 3 + number % 2, number, at.isoformat(), "2026-06-01Z")


async def test_every_step_counts_what_the_reference_counts(each_edition: Database) -> None:
    """Before and after it is rolled up, whatever happened to a register: nothing more, and nothing less."""
    registers = [mixed(seed) for seed in SEEDS]
    wanted = {number: register.total() for number, register in enumerate(registers, 1)}
    async with store_of(each_edition) as store:
        await stored(store, registers)
        for _ in range(2):
            for step in STEPS:
                rows = await store.rows(
                    "SELECT series_id, sum(value)"  # noqa: S608 - the test's own text
                    f" FROM consumption_{step}('2026-03-01Z', '2026-06-01Z') GROUP BY 1"
                )
                found: dict[int, Decimal] = dict(rows)
                assert {n: (found.get(n), total) for n, total in wanted.items() if found.get(n) != total} == {}, step
            whole, parts = [await store.rows(f"{query} GROUP BY 1 ORDER BY 1") for query in (WHOLE, PARTS)]
            assert whole == parts
            await store.roll_up()
