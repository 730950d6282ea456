"""Contact points and the route to them, as Grafana's provisioning API and its files have them."""

from typing import Any

from grafana.boards.base import PREFIX
from grafana.rules import OURS
from grafana.settings import GrafanaSettings, Route

MATCHERS = [[OURS[0], "=", OURS[1]]]
"""By which our one route in the tree of policies is known; whatever else is in the tree is somebody else's."""


def contact_name(name: str) -> str:
    """The name of a contact point in Grafana."""
    return f"Wattline {name}"


def contact_points(settings: GrafanaSettings) -> list[dict[str, Any]]:
    """Each contact point as the API has it."""
    return [
        {
            "uid": PREFIX + point.name,
            "name": contact_name(point.name),
            "type": point.type,
            "settings": point.settings,
            "disableResolveMessage": point.disable_resolve_message,
        }
        for point in settings.contact_points
    ]


def policy(settings: GrafanaSettings) -> dict[str, Any] | None:
    """Our route below the tree's root, or None where no contact point is set and Grafana's own default holds."""
    if not settings.contact_points:
        return None
    routes = settings.routes or (Route(contact=settings.contact_points[0].name),)
    rest = [route for route in routes if not route.match]
    default = rest[0] if rest else Route(contact=settings.contact_points[0].name)
    nested = [_route(route) for route in routes if route is not default]
    return {**_route(default), "object_matchers": MATCHERS, **({"routes": nested} if nested else {})}


def _route(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "receiver": contact_name(route.contact),
        "group_by": list(route.group_by),
        "group_wait": route.group_wait,
        "group_interval": route.group_interval,
        "repeat_interval": route.repeat_interval,
    }
    if route.match:
        made["object_matchers"] = [[label, "=", value] for label, value in sorted(route.match.items())]
    return made


def is_ours(route: dict[str, Any]) -> bool:
    """Whether a route of the tree is the one that `policy` made."""
    return bool(route.get("object_matchers") == MATCHERS)


def receivers(tree: dict[str, Any]) -> set[str]:
    """The names of the contact points that a tree of policies, or a route of it, uses."""
    below = (receivers(route) for route in tree.get("routes") or [])
    return {str(tree.get("receiver")), *(name for names in below for name in names)}
