"""What an edit makes of a scope's layer."""

from broker.contract.messages import MeterConfig
from gateway.desired.layers import Layer
from gateway.parameters.edits import Patch, Replacement

OWN = Layer(
    parameters={"log_level": "debug", "raw_frames": True}, meters={"LGZ:1": MeterConfig(spec="generic-p1@1")}
)  # fmt: skip


def test_a_patch_leaves_what_it_does_not_name() -> None:
    """None gives a parameter back to the layers below."""
    after = Patch({"log_level": None, "probation_s": 60}).applied(OWN)
    assert after.parameters == {"raw_frames": True, "probation_s": 60}
    assert after.meters == OWN.meters


def test_a_replacement_leaves_no_other_parameter() -> None:
    """Pins of specs are no parameters: they stay."""
    after = Replacement({"probation_s": 60}).applied(OWN)
    assert after.parameters == {"probation_s": 60}
    assert after.meters == OWN.meters
