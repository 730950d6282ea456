"""Bodies of JSON: each model takes JSON's own forms, a list and a time as text among them, where types are strict."""

import json
from pathlib import Path
from typing import Any, Final, cast

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from gateway.api.app import routes
from gateway.api.decode.decoding import answer
from gateway.api.decode.models import DecodeQuery, DecodeRequest
from gateway.api.jobs.files import FileRoutes
from gateway.desired.spec_catalogue import SpecCatalogue
from meters.mappings.document import Mapping
from meters.specs.spec import Spec
from store.source_settings import SourceSettings

NO: Final = cast("Any", None)
TABLE: Final = routes(*[NO] * 13, FileRoutes(NO, 1, 1))
LENIENT: Final = (DecodeRequest, Mapping, Spec)
"""Documents of YAML, and what holds one: their types are not strict."""
STRICT: Final = {one.body.__name__: one.body for one in TABLE if one.body is not None and one.body not in LENIENT}
WRONG_FORM: Final = ("tuple_type", "set_type", "frozen_set_type", "date_type", "datetime_type", "time_delta_type",
                     "is_instance_of", "bytes_type")  # fmt: skip
"""What pydantic says of JSON's form of a value where it wants Python's."""
SPECS: Final = Path(__file__).parents[4] / "meters" / "specs" / "products"


def filled(schema: Any, models: dict[str, Any], depth: int = 0) -> Any:
    """A document with all fields that a schema names, of the right form; its values may be none."""
    if "$ref" in schema:
        return filled(models[schema["$ref"].rsplit("/", 1)[1]], models, depth + 1)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return filled(next(one for one in schema[several] if one.get("type") != "null"), models, depth)
    kind = schema.get("type")
    if depth > 8:
        return None
    if kind == "object":
        return {name: filled(one, models, depth + 1) for name, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [filled(schema["items"], models, depth + 1)] if "items" in schema else []
    given = schema.get("enum", [schema.get("const")])[0]
    return given or {"string": "2026-11-23T10:00:00Z", "boolean": True, "null": None}.get(kind, 1)


@pytest.mark.parametrize("name", STRICT)
def test_a_body_takes_the_forms_that_json_has(name: str) -> None:
    """A validator before a field or a model hands on Python's values, of which strict types take Python's alone."""
    model = TypeAdapter(STRICT[name])
    schema = model.json_schema()
    try:
        model.validate_json(json.dumps(filled(schema, schema.get("$defs", {}))), strict=True)
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["type"] in WRONG_FORM and isinstance(one["input"], list | str)]
        assert wrong == []


def test_a_source_s_lists_are_taken() -> None:
    given = {"content_types": ["text/csv", "application/*"], "topics": ["plant/+"], "broker": "hall"}
    settings = SourceSettings.model_validate_json(json.dumps(given), strict=True)
    assert (settings.content_types, settings.topics) == (("text/csv", "application/*"), ("plant/+",))
    with pytest.raises(ValidationError):
        SourceSettings.model_validate_json('{"topics": [7]}', strict=True)


@pytest.mark.parametrize("name", ["dzg-dvs74", "elster-as1440", "emh-ed300l", "holley-d545"])
def test_bytes_are_decoded_by_a_spec_that_is_sent_along(name: str) -> None:
    """The catalogue's own as JSON: one pattern or several, exact numbers as text or whole."""
    [path] = SPECS.rglob(f"{name}.yaml")
    body = json.dumps({"hex": "00", "spec": yaml.safe_load(path.read_text())}, default=str)
    assert answer(body.encode(), DecodeQuery(), "application/json", SpecCatalogue({})).telegrams == ()
