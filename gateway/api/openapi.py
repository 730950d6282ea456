"""The OpenAPI 3.1 document, made from the route table and its models."""

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from broker.contract.commands import COMMANDS
from gateway.api.route import PREFIX, Route
from gateway.models import ProblemDocument

_OTHER: dict[str, dict[str, Any]] = {
    "text/event-stream": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("event", "data", "id")} | {"retry": {"type": "integer"}},
    }
}
"""Media types whose answers are no JSON document and no plain text: one event of a stream."""
REF = "#/components/schemas/{model}"


def document(routes: Sequence[Route], *, secured: bool) -> dict[str, Any]:
    """The whole document; `secured` says whether a bearer token is asked for."""
    wanted: list[tuple[Any, JsonSchemaMode]] = [(ProblemDocument, "serialization")]
    for route in routes:
        wanted.append((route.response, "serialization"))
        if route.body is not None:
            wanted.append((route.body, "validation"))
    refs, schemas = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, refs)
    try:
        release = version("wattline")
    except PackageNotFoundError:
        release = "0"
    components: dict[str, Any] = {"schemas": schemas["$defs"]}
    if secured:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "A token of `wattline token create`."},
            "session": {"type": "apiKey", "in": "cookie", "name": "wattline", "description": "A login of the console."},
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wattline", "version": release, "description": "Devices, meters, readings and parameters."},
        "paths": paths,
        "components": components,
        "security": [{"token": []}, {"session": []}] if secured else [],
    }


def _operation(route: Route, refs: Any) -> dict[str, Any]:
    schema = refs[(route.response, "serialization")]
    answer: dict[str, Any] = {
        "description": (route.response.__doc__ or "").strip(),
        "content": {
            media: {"schema": schema if media == "application/json" else _OTHER.get(media, {"type": "string"})}
            for media in route.sends
        },
    }
    if route.etag:
        answer["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "Give it back as If-Match."}}
    problem = {
        "description": "What is wrong, naming the field.",
        "content": {"application/problem+json": {"schema": refs[(ProblemDocument, "serialization")]}},
    }
    again = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds until the next attempt may pass."}
    limited = {**problem, "description": "Too many requests.", "headers": {"Retry-After": again}}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Needs the role {route.needs}.",
        "tags": [route.path.split("/")[1].partition(":")[0]],
        "x-wattline-role": str(route.needs),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_headers(route)],
        "responses": {"200": answer, "429": limited, "4XX": problem, "5XX": problem},
    }
    if route.body is not None:
        schema = refs[(route.body, "validation")]
        content = {media: {"schema": schema} for media in route.media or ("application/json",)}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": route.path_fields.get(name, ""),
            "schema": {"type": "string"} | ({"enum": list(COMMANDS)} if name == "command" else {}),
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(mode="validation", by_alias=True)
    required = schema.get("required", ())
    parameters = []
    for name, fact in schema["properties"].items():
        described = {key: value for key, value in fact.items() if key not in ("title", "description")}
        parameter = {"name": name, "in": "query", "description": fact.get("description", ""), "schema": described}
        parameters.append(parameter | ({"required": True} if name in required else {}))
    return parameters


def _headers(route: Route) -> list[dict[str, Any]]:
    if route.method == "GET" or not route.etag:
        return []
    text = "The ETag of what was read: 412 where it has changed since."
    return [{"name": "If-Match", "in": "header", "description": text, "schema": {"type": "string"}}]
