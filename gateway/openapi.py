"""The OpenAPI 3.1 document, made from the route table and its models, and a plain page that shows it."""

import html
import json
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gateway.api_models import ProblemDocument
from gateway.api_route import PREFIX, Route

REF = "#/components/schemas/{model}"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "h2{margin-top:2em;font-size:1.05em}code{background:#f2f2f2;padding:.1em .3em}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.25em .6em;text-align:left;vertical-align:top}"
    "pre{background:#f7f7f7;padding:1em;overflow:auto;font-size:13px}"
)


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
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wattline", "version": release, "description": "Devices, meters, readings and parameters."},
        "paths": paths,
        "components": components,
        "security": [{"token": []}] if secured else [],
    }


def _operation(route: Route, refs: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": (route.response.__doc__ or "").strip(),
        "content": {"application/json": {"schema": refs[(route.response, "serialization")]}},
    }
    if route.produces:
        answer["content"] = {media: {"schema": {"type": "string"}} for media in route.produces}
    if route.etag:
        answer["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "Give it back as If-Match."}}
    problem = {
        "description": "What is wrong, naming the field.",
        "content": {"application/problem+json": {"schema": refs[(ProblemDocument, "serialization")]}},
    }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_headers(route)],
        "responses": {"200": answer, "4XX": problem, "5XX": problem},
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
            "schema": {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(mode="validation", by_alias=True)
    parameters = []
    for name, fact in schema["properties"].items():
        described = {key: value for key, value in fact.items() if key not in ("title", "description")}
        parameters.append(
            {"name": name, "in": "query", "description": fact.get("description", ""), "schema": described}
        )
    return parameters


def _headers(route: Route) -> list[dict[str, Any]]:
    if route.body is None or not route.etag:
        return []
    text = "The ETag of what was read: 412 where it has changed since."
    return [{"name": "If-Match", "in": "header", "description": text, "schema": {"type": "string"}}]


def page(specification: dict[str, Any]) -> str:
    """The document for people: one page of HTML without scripts or anything from elsewhere."""
    parts = [f"<h1>{html.escape(specification['info']['title'])} API</h1>"]
    parts.append('<p>The same for programs: <a href="/api/v1/openapi.json">openapi.json</a></p>')
    for path, methods in specification["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts.append(f"<p>{html.escape(operation['summary'])}</p>{_table(operation['parameters'])}")
            for label, content in (("Body", operation.get("requestBody")), ("Answer", operation["responses"]["200"])):
                if content and "application/json" in content["content"]:
                    name = content["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
                    parts.append(f'<p>{label}: <a href="#{html.escape(name)}">{html.escape(name)}</a></p>')
    for name, schema in sorted(specification["components"]["schemas"].items()):
        text = html.escape(json.dumps(schema, indent=1, ensure_ascii=False))
        parts.append(f'<h2 id="{html.escape(name)}">{html.escape(name)}</h2><pre>{text}</pre>')
    head = f'<meta charset="utf-8"><title>Wattline API</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _table(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{html.escape(one['name'])}</code></td><td>{one['in']}</td>"
        f"<td>{html.escape(one['description'])}</td><td><code>{html.escape(_brief(one['schema']))}</code></td></tr>"
        for one in parameters
    )
    return f"<table><tr><th>Name</th><th>In</th><th>Meaning</th><th>Schema</th></tr>{rows}</table>"


def _brief(schema: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in schema.items() if key != "title"}, ensure_ascii=False)
