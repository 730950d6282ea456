"""The console as a whole: all of its routes."""

from aiohttp import web

from gateway.console import assets
from gateway.console.admin import AdminPages
from gateway.console.browser import ConsoleApi
from gateway.console.commands import CommandPages
from gateway.console.device import DevicePages
from gateway.console.docs_page import DocsPage
from gateway.console.enrolments import EnrolmentPages
from gateway.console.fleet import FleetPages
from gateway.console.gaps import GapPages
from gateway.console.groups import GroupPages
from gateway.console.jobs import JobPages
from gateway.console.labels import LabelPages
from gateway.console.meter_keys import KeyPages
from gateway.console.notify import NotifyPages
from gateway.console.parameters import ParameterPages
from gateway.console.people.login import LoginPages
from gateway.console.people.me import OwnPages
from gateway.console.people.oidc import OidcPages
from gateway.console.software import SoftwarePages
from gateway.console.sources.listing import SourceListPages
from gateway.console.sources.mapping import MappingPages
from gateway.console.sources.one import SourcePages
from gateway.console.specs import SpecPages
from gateway.console.stages import StagePages
from gateway.console.unknown import UnknownPages
from gateway.oidc import OidcSettings


def console_routes(console: ConsoleApi, session_h: int, oidc: OidcSettings) -> list[web.RouteDef]:
    """Every page, the login, and the files that pages need."""
    return [
        *LoginPages(console, session_h).routes(),
        *OidcPages(console, oidc, session_h).routes(),
        *FleetPages(console).routes(),
        *DevicePages(console).routes(),
        *KeyPages(console).routes(),
        *SoftwarePages(console).routes(),
        *LabelPages(console).routes(),
        *ParameterPages(console).routes(),
        *GroupPages(console).routes(),
        *StagePages(console).routes(),
        *CommandPages(console).routes(),
        *GapPages(console).routes(),
        *SpecPages(console).routes(),
        *UnknownPages(console).routes(),
        *SourceListPages(console).routes(),
        *SourcePages(console).routes(),
        *MappingPages(console).routes(),
        *JobPages(console).routes(),
        *NotifyPages(console).routes(),
        *EnrolmentPages(console).routes(),
        *AdminPages(console).routes(),
        *OwnPages(console).routes(),
        *DocsPage(console).routes(),
        web.get("/static/{digest}/{path:.+}", assets.serve),
    ]
