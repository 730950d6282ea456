"""The console as a whole: all of its routes."""

from aiohttp import web

from gateway.console import assets
from gateway.console.admin import AdminPages
from gateway.console.commands import CommandPages
from gateway.console.desk import Desk
from gateway.console.device import DevicePages
from gateway.console.docs_page import DocsPage
from gateway.console.fleet import FleetPages
from gateway.console.groups import GroupPages
from gateway.console.jobs import JobPages
from gateway.console.labels import LabelPages
from gateway.console.login import LoginPages
from gateway.console.parameters import ParameterPages
from gateway.console.specs import SpecPages
from gateway.console.stages import StagePages
from gateway.console.unknown import UnknownPages


def console_routes(desk: Desk, session_h: int) -> list[web.RouteDef]:
    """Every page, the login, and the files that pages need."""
    return [
        *LoginPages(desk, session_h).routes(),
        *FleetPages(desk).routes(),
        *DevicePages(desk).routes(),
        *LabelPages(desk).routes(),
        *ParameterPages(desk).routes(),
        *GroupPages(desk).routes(),
        *StagePages(desk).routes(),
        *CommandPages(desk).routes(),
        *SpecPages(desk).routes(),
        *UnknownPages(desk).routes(),
        *JobPages(desk).routes(),
        *AdminPages(desk).routes(),
        *DocsPage(desk).routes(),
        web.get("/static/{digest}/{path:.+}", assets.serve),
    ]
