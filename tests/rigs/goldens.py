"""A spec of a test with golden telegrams of its own."""

from meters.specs.spec import Spec, spec_from
from meters.wires.encode.p1 import encode_p1

LINES = [
    "0-0:1.0.0(231102121548W)",
    "1-0:1.8.1(000301.548*kWh)",
    "0-1:96.1.0(4730303339303031393336393930363139)",
    "0-1:24.2.1(231102121002W)(00092.287*m3)",
]


def spec(*goldens: dict[str, object], identification: str = "XYZ5*", protocol: str = "p1") -> Spec:
    document = {
        "name": "test",
        "version": 1,
        "product": {"name": "x"},
        "match": {"protocol": protocol, "identification": identification},
        "source": ["test"],
        "standard": True,
        "time": {"zone": "Europe/Amsterdam"},
        "goldens": list(goldens),
    }
    return spec_from(document, origin="test")


def golden(**more: object) -> dict[str, object]:
    return {"name": "g", "source": "test", "frame": {"hex": encode_p1("XYZ5TEST", LINES).hex()}, **more}


WHOLE = {
    "at": "2023-11-02T12:15:48+01:00",
    "values": {"1-0:1.8.1": "301.548"},
    "meters": {"G0039001936990619": {"0-1:24.2.1": "92.287"}},
    "complete": True,
}
