"""What an engineer types into the console's form, as the API takes it."""

import pytest

from gateway.console.parameter_form import staged


@pytest.mark.parametrize(
    ("typed", "steps"),
    [
        ("10%,50%,100%", ["10%", "50%", "100%"]),
        ("10% 50%; 100%", ["10%", "50%", "100%"]),
        ("site=warsaw,model=pi4 100%", ["site=warsaw,model=pi4", "100%"]),
    ],
)
def test_steps_are_written_as_on_the_command_line(typed: str, steps: list[str]) -> None:
    """Blanks, semicolons and commas part shares; a step of labels keeps its commas."""
    assert staged({"stage-steps": typed}, {"raw_frames": True}) == {"parameters": {"raw_frames": True}, "steps": steps}
