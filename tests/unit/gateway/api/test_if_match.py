"""Changes of what somebody else has changed meanwhile."""

import pytest

from gateway.api.route import Answer, Call, require_match
from gateway.faults import Kind, Refusal
from gateway.models import PageQuery

NOW = Answer(PageQuery(limit=7), '"b"')


@pytest.mark.parametrize("if_match", [None, "*", " * ", '"b"', '"a", "b"', '"a","b"'])
def test_what_was_read_last_may_be_changed(if_match: str | None) -> None:
    """And so may anything by who doesn't ask, or says that any will do (RFC 9110 13.1.1)."""
    require_match(Call({}, if_match=if_match), NOW, "the parameters")


@pytest.mark.parametrize("if_match", ["", '"a"', "b", 'W/"b"', '"a", "c"', '"b', "x" * 500])
def test_what_has_changed_since_is_refused_with_what_holds_now(if_match: str) -> None:
    """Field, reason and fix, the document and its tag, and whose change it was; a long header is quoted in part."""
    with pytest.raises(Refusal) as refused:
        require_match(Call({}, if_match=if_match), NOW, "the parameters", "eva at noon")
    one = refused.value
    [fault] = one.faults
    assert (one.kind, fault.field, fault.fix) == (Kind.STALE, "If-Match", "GET it again")
    assert fault.reason == f'{if_match[:100]} is not "b", which holds now'
    assert str(one) == "the parameters have changed since they were read; last: eva at noon"
    assert (one.etag, one.current) == ('"b"', {"limit": 7, "cursor": None})
