"""The types of contact points that Grafana 9.4 to 13 know, and the settings without which each refuses one."""

import difflib
from typing import Any, Final

Ways = tuple[tuple[str, ...], ...]
"""Names of settings that are needed together; one of several such groups is enough."""

_JIRA = ("api_url", "project", "issue_type")
REQUIRED: Final[dict[str, Ways]] = {
    "LINE": (("token",),),
    "dingding": (("url",),),
    "discord": (("url",),),
    "email": (("addresses",),),
    "googlechat": (("url",),),
    "jira": ((*_JIRA, "api_token"), (*_JIRA, "user", "password")),
    "kafka": (("kafkaRestProxy", "kafkaTopic"),),
    "mqtt": (("brokerUrl", "topic"),),
    "oncall": (("url",),),
    "opsgenie": (("apiKey",),),
    "pagerduty": (("integrationKey",),),
    "prometheus-alertmanager": (("url",),),
    "pushover": (("apiToken", "userKey"),),
    "sensugo": (("url", "apikey"),),
    "slack": (("url",), ("token", "recipient")),
    "sns": (("topic_arn",), ("target_arn",), ("phone_number",)),
    "teams": (("url",),),
    "telegram": (("bottoken", "chatid"),),
    "threema": (("gateway_id", "recipient_id", "api_secret"),),
    "victorops": (("url",),),
    "webex": (("bot_token", "room_id"),),
    "webhook": (("url",),),
    "wecom": (("url",), ("secret", "agent_id", "corp_id")),
}
"""By type, as grafana/alerting has them in receivers/*/v1/config.go; mqtt, oncall, sns and jira came after 9.4."""


def wrong_type(kind: str) -> str | None:
    """What to say of a type that no Grafana knows."""
    if kind in REQUIRED:
        return None
    by_lower = {name.lower(): name for name in REQUIRED}
    near = difflib.get_close_matches(kind.lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]!r}?" if near else f"Grafana knows {', '.join(REQUIRED)}"


def missing(kind: str, settings: dict[str, Any]) -> str | None:
    """What to say of settings that lack what their type needs; of what is given only names, values may be secrets."""
    ways = REQUIRED[kind]
    given = {name for name, value in settings.items() if value not in (None, "", [], {})}
    if any(given.issuperset(way) for way in ways):
        return None
    needed = ", or ".join(" and ".join(repr(name) for name in way) for way in ways)
    return f"{kind} needs {needed}; given: {', '.join(sorted(given)) or 'none that is not empty'}"
