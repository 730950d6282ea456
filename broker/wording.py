"""How numbers of things are written for people, in every message, table and page."""


def counted(number: int, thing: str, many: str = "") -> str:
    """A number with its noun: `1 device`, `2 devices`; thousands are set off, and `many` is a plural of its own."""
    return f"{number:,} {thing if number == 1 else many or f'{thing}s'}"
