"""What is made of the answers of who lists known holes: a silence is never taken for a clean bill."""

import json

import pytest

from broker.errors import PermanentError
from deploy.ci.scan import Hole, found


def _said(*libraries: dict[str, object]) -> str:
    return json.dumps({"dependencies": libraries, "fixes": []})


def test_holes_are_named_with_what_mends_them() -> None:
    """And one that no version mends."""
    vulns = [
        {"id": "GHSA-1", "fix_versions": ["3.14.2", "4.0"], "aliases": []},
        {"id": "GHSA-2", "fix_versions": []},
    ]
    answer = _said(
        {"name": "aiohttp", "version": "3.14.0", "vulns": vulns}, {"name": "rich", "version": "15", "vulns": []}
    )
    one, other = found(answer, "", "device.txt")
    assert one == Hole("aiohttp", "3.14.0", "GHSA-1", ("3.14.2", "4.0"))
    assert str(one) == "aiohttp 3.14.0: GHSA-1, mended in 3.14.2, 4.0: `make lock`"
    assert str(other) == "aiohttp 3.14.0: GHSA-2, mended in no version yet"


@pytest.mark.parametrize(
    ("answer", "complaint", "said"),
    [
        ("", "ERROR:it is away", "nobody could be asked about device.txt: ERROR:it is away"),
        ("", "", "nobody could be asked about device.txt: no answer"),
        ("[]", "", "nobody could be asked about device.txt: no answer"),
        (_said(), "", "nothing was said about anything of device.txt"),
        (
            _said(
                {"name": "rich", "version": "15", "vulns": []},
                {"name": "paho-mqtt", "skip_reason": "not found on PyPI"},
            ),
            "",
            "nothing was said about paho-mqtt of device.txt",
        ),
    ],
)
def test_what_could_not_be_asked_is_an_error(answer: str, complaint: str, said: str) -> None:
    """Also where it is one library of many."""
    with pytest.raises(PermanentError) as refused:
        list(found(answer, complaint, "device.txt"))
    assert str(refused.value) == said
