"""What a gateway serves while it waits for its database at the start: the same page or problem as later."""

from aiohttp import web

from gateway.api.problem import Problem
from gateway.console import assets
from gateway.console.browser import is_browser, templates
from gateway.faults import unavailable


def waiting_routes() -> list[web.RouteDef]:
    """A 503 for every path; a browser's page tries again by itself."""
    return [web.get("/static/{digest}/{path:.+}", assets.serve), web.route("*", "/{path:.*}", _waiting)]


async def _waiting(request: web.Request) -> web.Response:
    error = Problem.of(unavailable())
    if not is_browser(request):
        return error.response()
    again = request.path_qs if request.method == "GET" else None
    values = {"error": error, "title": error.title, "again": again, "known": False}
    text = templates().get_template("problem.html").render(values)
    headers = {**assets.HEADERS, **error.headers, "Cache-Control": "no-store"}
    return web.Response(text=text, content_type="text/html", status=error.status, headers=headers)
