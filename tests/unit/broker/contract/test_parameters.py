"""What people are told of each parameter."""

import pytest

from broker.contract.messages import Parameters
from broker.contract.parameters import parameter_help
from gateway.desired.layers import ParameterLayer, ParameterPatch
from gateway.validation import SETTABLE


@pytest.mark.parametrize("name", SETTABLE)
def test_every_parameter_says_what_it_does(name: str) -> None:
    """A sentence of its own on what it does, with its unit where it has one, its bounds and its default."""
    found = parameter_help()[name]
    assert len(found.about.split()) >= 8
    assert found.about.endswith(".")
    assert found.limits
    assert found.default
    if name.endswith(("_s", "_mib")):
        assert found.unit == {"s": "s", "mib": "MiB"}[name.rpartition("_")[2]]
    if found.kind in ("number", "integer"):
        assert found.least is not None
        assert found.most is not None


def test_bounds_and_default_come_from_the_model() -> None:
    """They are written once."""
    found = parameter_help()["reading_interval_s"]
    assert (found.limits, found.default_text) == ("0.2 to 86400 s", "10 s")
    assert parameter_help()["log_level"].limits == "one of debug, info, warning, error"
    assert parameter_help()["raw_frames"].limits == "true or false"
    assert parameter_help()["probation_s"].text.endswith("0 turns this off. 0 to 86400 s; default: 120 s.")


@pytest.mark.parametrize("model", [ParameterLayer, ParameterPatch])
def test_the_api_s_schema_tells_the_same(model: type[Parameters]) -> None:
    """Whoever reads the schema of a change reads what each parameter does, its bounds and its default."""
    told = {name: schema["description"] for name, schema in model.model_json_schema()["properties"].items()}
    assert told == {name: one.text for name, one in parameter_help().items()}
