"""How numbers of things are written for people, in every message, table and page."""


def counted(number: int, thing: str, *, thousands: bool = False) -> str:
    """A number with its noun: `1 device`, `2 devices`; with `thousands` these are set off: `1,024 rows`."""
    return f"{number:{',' if thousands else ''}} {thing}{'' if number == 1 else 's'}"
