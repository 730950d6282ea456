"""What a group of devices may be called, and how many there may be."""

import pytest

from gateway.faults import Kind, Refusal
from gateway.fleet.groups import MAX_GROUPS, check_name, check_room


@pytest.mark.parametrize("name", ["north", "a", "North-2.b_c", "0"])
def test_a_group_has_a_name_that_paths_and_topics_can_hold(name: str) -> None:
    """Letters, digits and . _ - after a letter or digit."""
    check_name(name)


@pytest.mark.parametrize("name", ["", "north south", "-north", "n" * 300, "a/b", "\u00fc"])
def test_any_other_name_is_refused_in_part(name: str) -> None:
    """With the rule; a long one is cut."""
    with pytest.raises(Refusal) as refused:
        check_name(name)
    assert (refused.value.kind, refused.value.field) == (Kind.INVALID, "group")
    assert refused.value.reason == f"{name[:80]!r} is no group's name"
    assert refused.value.fix


def test_there_is_room_for_so_many_groups() -> None:
    """One more is refused."""
    check_room(MAX_GROUPS - 1)
    with pytest.raises(Refusal, match=f"group: there are {MAX_GROUPS} groups; remove one"):
        check_room(MAX_GROUPS)
