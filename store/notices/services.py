"""What a URL of each of apprise's services must have: what it lacks would be seen at the first message alone."""

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs

_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BOT: Final = re.compile(r"(?:[^@]*@)?(?:bot)?[0-9]+:[A-Za-z0-9_-]+")
_SLACK_TOKEN: Final = re.compile(r"(?:[^@]*@)?(?:xoxe\.)?xox[abp]-[A-Za-z0-9-]+")
_SLACK_HOOK: Final = re.compile(r"(?:[^@]*@)?[A-Za-z0-9]+(/[A-Za-z0-9]+){2}(/.*)?")
_WORKFLOW: Final = re.compile(r"(/[A-Za-z0-9_-]+){2}(/.*)?")


def lacking(parts: SplitResult) -> tuple[str, str] | None:
    """What a URL lacks, and how one is written; None where it is whole. Neither quotes it: it has secrets."""
    of = parts.scheme.removesuffix("s") if parts.scheme != "workflows" else "workflow"
    query = parse_qs(parts.query)
    return {"mailto": _mail, "ntfy": _ntfy, "tgram": _telegram, "slack": _slack, "workflow": _teams}[of](parts, query)


def _mail(parts: SplitResult, query: dict[str, list[str]]) -> tuple[str, str] | None:
    if parts.username or {"from", "user"} & query.keys():
        return None
    return "it has no sender", "mailtos://USER:PASSWORD@HOST:587?from=ADDRESS&to=ADDRESS"


def _ntfy(parts: SplitResult, query: dict[str, list[str]]) -> tuple[str, str] | None:
    topics = [one for one in parts.path.split("/") if one] + query.get("to", [])
    # a host alone is a topic at ntfy.sh, which has no dot
    of_ntfy_sh = not topics and ":" not in parts.netloc and _TOPIC.fullmatch(parts.netloc) is not None
    if of_ntfy_sh or any(_TOPIC.fullmatch(one) for one in topics):
        return None
    return "it names no topic", "ntfys://HOST/TOPIC; the topic is of letters, digits, - and _"


def _telegram(parts: SplitResult, query: dict[str, list[str]]) -> tuple[str, str] | None:
    fix = "tgram://NUMBER:LETTERS/CHAT-ID, with the token that BotFather gives"
    if _BOT.fullmatch(parts.netloc) is None:
        return "it has no bot's token", fix
    return None if parts.path.strip("/") or "to" in query else ("it names no chat", fix)


def _slack(parts: SplitResult, _: dict[str, list[str]]) -> tuple[str, str] | None:
    if _SLACK_TOKEN.fullmatch(parts.netloc) or _SLACK_HOOK.fullmatch(parts.netloc + parts.path):
        return None
    return (
        "it has no token",
        "slack://TA/TB/TC/%23channel, the three of a webhook's URL, or slack://xoxb-.../%23channel",
    )


def _teams(parts: SplitResult, query: dict[str, list[str]]) -> tuple[str, str] | None:
    if _WORKFLOW.fullmatch(parts.path) or {"id", "signature"} <= query.keys():
        return None
    return "it names no workflow with its signature", "workflows://HOST/WORKFLOW-ID/SIGNATURE"
