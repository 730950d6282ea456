"""The console's files: style, scripts, and the vendored libraries, each with its own address by content."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from aiohttp import web

TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".json": "application/json",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every page and file says to the browser: nothing but this gateway's own files may run or be shown."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and the name under which it may be kept for ever."""

    body: bytes
    packed: bytes
    content_type: str
    address: str


@cache
def assets() -> dict[str, Asset]:
    """Every file by its path below `static/`, read once."""
    top = resources.files("gateway.console") / "static"
    found = {}
    for folder, prefix in ((top, ""), (top / "vendor", "vendor/")):
        for file in folder.iterdir():
            suffix = "." + file.name.rpartition(".")[2]
            if not file.is_file() or suffix not in TYPES:
                continue
            body, name = file.read_bytes(), prefix + file.name
            address = f"/static/{hashlib.sha256(body).hexdigest()[:12]}/{name}"
            found[name] = Asset(body, gzip.compress(body, 6), TYPES[suffix], address)
    return found


def address(name: str) -> str:
    """Where a file is served. Raises KeyError for one that is not there."""
    return assets()[name].address


async def serve(request: web.Request) -> web.Response:
    """GET /static/{digest}/{path}."""
    asset = assets().get(request.match_info["path"])
    if asset is None or asset.address != request.path:
        raise web.HTTPNotFound
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(
        body=asset.packed if packed else asset.body,
        content_type=asset.content_type,
        charset="utf-8",
        headers=headers,
    )
