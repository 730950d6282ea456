"""Which OBIS codes the patterns of the parameters let through."""

from decimal import Decimal
from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from meters.decoding.obis_filter import ObisFilter, matches


@given(st.text(alphabet="1-0:.8*", max_size=8), st.text(alphabet="1-0:.8", max_size=8))
def test_patterns_match_as_those_of_a_shell(pattern: str, code: str) -> None:
    """`*` is any run of characters; nothing else is special."""
    assert matches(pattern, code) == fnmatchcase(code, pattern)


def test_a_filter_leaves_out_what_is_excluded_after_what_is_included() -> None:
    """Exclusion wins over inclusion."""
    wanted = ObisFilter(("1-0:*",), ("*.7.0",))
    values = {"1-0:1.8.0": Decimal(1), "1-0:16.7.0": Decimal(2), "0-1:24.2.1": Decimal(3)}
    assert wanted.select(values) == {"1-0:1.8.0": Decimal(1)}
