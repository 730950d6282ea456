"""Running goldens: what holds gives no difference; what does not is named with place, expectation and result."""

import pytest

from meters.decoding.goldens import check
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from tests.rigs.goldens import LINES, WHOLE, golden, spec


def places(*goldens: dict[str, object], **more: str) -> list[str]:
    return [difference.place for difference in check(spec(*goldens, **more))]


def test_a_golden_that_holds_gives_no_difference() -> None:
    """Values, sub-meters and time, in hex, base64 and text."""
    text = encode_p1("XYZ5TEST", LINES).decode().replace("\r\n", "\n")
    assert places(golden(**WHOLE), golden(**WHOLE, frame={"text": text})) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"values": {"1-0:1.8.1": "301.549"}}, "values.1-0:1.8.1"),
        ({"values": {"1-0:1.8.1": "301.548", "1-0:2.8.1": "0"}}, "values.1-0:2.8.1"),
        ({"values": {}}, "values.1-0:1.8.1"),
        ({"meters": {}}, "meters.G0039001936990619.0-1:24.2.1"),
        ({"meters": {"G1": {"0-1:24.2.1": "92.287"}}}, "meters.G0039001936990619.0-1:24.2.1"),
        ({"at": "2023-11-02T12:15:48Z"}, "at"),
        ({"at": None}, "at"),
        ({"telegram": 2}, "frame"),
        ({"error": "crc_mismatch"}, "error"),
        (
            {"profile": [{"at": "2023-11-02T12:15:48Z", "values": {"1-0:1.5.0": 1}}]},
            "profile.2023-11-02T12:15:48Z.1-0:1.5.0",
        ),
        ({"frame": {"hex": "00" * 40}}, "frame"),
        ({"frame": {"hex": "0"}}, "frame"),
        ({"frame": {"base64": "a"}}, "frame"),
    ],
)
def test_whatever_differs_is_named(change: dict[str, object], place: str) -> None:
    """A wrong value, one too many or too few, a wrong time, another meter, unreadable bytes."""
    assert place in places(golden(**{**WHOLE, **change}))


def test_the_expected_refusal_must_be_the_one_that_comes() -> None:
    """A broken CRC is refused for its CRC; another reason word is a difference."""
    broken = encode_p1("XYZ5TEST", LINES).replace(b"301.548", b"301.549").hex()
    assert places(golden(frame={"hex": broken}, error="crc_mismatch")) == []
    assert places(golden(frame={"hex": broken}, error="truncated")) == ["error"]
    assert places(golden(frame={"hex": broken})) == ["error"]


def test_a_golden_must_lead_to_its_own_spec() -> None:
    """A spec whose match does not fit its own telegrams would never be chosen."""
    assert places(golden(), identification="ABC*") == ["match"]


def test_facts_of_earlier_telegrams_count() -> None:
    """A load profile reply has no identification; the readout before it had."""
    data = encode_iec62056(["1.8.0(00001.0*kWh)"], identification="XYZ5TEST")
    data += encode_iec62056(["P.01(0231113101500)(00)(15)(1)(1.5)(kW)", "(0.25)"], end="")
    rows = [{"at": "2023-11-13T10:15:00+01:00", "values": {"1-0:1.5.0": "0.25"}}]
    found = golden(frame={"hex": data.hex()}, telegram=2, profile=rows, complete=True)
    assert places(found, protocol="iec62056-21") == []
