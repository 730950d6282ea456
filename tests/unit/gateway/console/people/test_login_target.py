"""Where a login may lead: to a page of this gateway only."""

import pytest

from gateway.console.people.login import local_target


@pytest.mark.parametrize("target", ["/", "/devices/pi-1", "/?q=a%20b&site=warsaw", "/devices/pi%2F1#meter-x"])
def test_pages_of_ours(target: str) -> None:
    """They are led to."""
    assert local_target(target) == target


@pytest.mark.parametrize(
    "target",
    ["//host", "/\\host", "/\t//host", "\t//host", "/\n/host", "/\r//host", "/ /host", "/a\\b", "https://host/", "",
     "a", "/\x00/host", "javascript:alert(1)"],
)  # fmt: skip
def test_other_places(target: str) -> None:
    """What a browser could read as another host becomes the first page."""
    assert local_target(target) == "/"
