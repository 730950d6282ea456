"""What a refusal says to a person at a shell."""

import pytest

from cli.client.http import RequestRefusedError


@pytest.mark.parametrize(
    ("detail", "line", "told"),
    [
        ("there is no device 'x'", "device: no device 'x'; GET /api/v1/devices lists them", None),
        ("selector: no device fits 'a=b'", "selector: no device fits 'a=b'", None),
        ("the document is no spec", "version: is missing; add it", "the document is no spec\n"),
    ],
)
def test_a_refusal_says_nothing_twice(detail: str, line: str, told: str | None) -> None:
    assert RequestRefusedError(422, detail, (line,)).told == (told or "") + line


def test_a_refusal_without_fields_is_its_detail() -> None:
    assert RequestRefusedError(409, "job 1 is done", ()).told == "job 1 is done"
