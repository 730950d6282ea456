"""What is written of the enrolment's resources, to compare the gateway's answers with."""

import re
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import ClientResponse
from jsonschema import Draft202012Validator

PAPER: Final = Path(__file__).resolve().parents[2] / "docs" / "enrolment.openapi.yaml"
DOCUMENT: Final[dict[str, Any]] = yaml.safe_load(PAPER.read_text("utf-8"))


def check(resource: str, response: ClientResponse, document: Any) -> None:
    """See that an answer is one that is written: its status, its headers, its type, and its JSON where it is some."""
    [operation] = DOCUMENT["paths"][f"/{resource}"].values()
    written = _resolved(operation["responses"][str(response.status)])
    for name, header in written.get("headers", {}).items():
        assert name in response.headers or not header.get("required"), name
    [(kind, content)] = written["content"].items()
    assert response.content_type == kind
    if re.search(r"\bjson$", kind):
        schema = _resolved(content["schema"])
        Draft202012Validator(schema).validate(document)


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
