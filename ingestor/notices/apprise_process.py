"""What runs in the process that sends by apprise: one message from standard input, its outcome to standard output.

An audit hook (PEP 578) judges each address before a socket is connected to it, whichever library does it and whatever
a name resolves to by then; redirects are judged likewise.
"""

import json
import logging
import sys
from typing import Any, Final

from ingestor.notices.addresses import FIX, is_public

MAX_LOG: Final = 400


class Heard(logging.Handler):
    """Keeps what apprise says of a failure; its answer is yes or no."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said.append(record.getMessage())


def judged_into(refused: list[str]) -> Any:
    """An audit hook that lets no socket connect to an address but the world's; `refused` gets what it kept from."""

    def judge(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("socket.connect", "socket.sendto"):
            return
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else str(address)
        if not is_public(str(host)):
            refused.append(str(host))
            raise PermissionError(f"{host} is not an address of the world's")

    return judge


def main() -> None:
    """Send the message that standard input has."""
    asked = json.load(sys.stdin)
    refused: list[str] = []
    if not asked["private"]:
        sys.addaudithook(judged_into(refused))
    import apprise  # noqa: PLC0415 - behind the hook: that it reaches nobody while it is imported is so proved, too

    heard = Heard()
    logging.getLogger("apprise").addHandler(heard)
    service = apprise.Apprise.instantiate(asked["url"], suppress_exceptions=True)
    if service is None:
        answer = {"state": "dead", "answer": "apprise takes no such URL; docs/NOTIFICATIONS.md has one of each kind"}
    elif service.notify(body=asked["text"], title=asked["title"], body_format="text"):
        answer = {"state": "sent", "answer": "taken"}
    elif refused:
        answer = {"state": "dead", "answer": f"it leads to {refused[0]}, which is not an address of the world's; {FIX}"}
    else:
        # its log may quote the URL, and with it secrets: what is kept is the last line, without anything of the URL
        answer = {"state": "again", "answer": without(heard.said[-1] if heard.said else "it failed", asked["url"])}
    sys.stdout.write(json.dumps(answer))


def without(said: str, url: str) -> str:
    """What somebody said without anything of a URL, its user, password and host among it."""
    for part in sorted((one for one in url.replace("?", "/").replace("@", "/").replace(":", "/").split("/")), key=len):
        if len(part) > 5:
            said = said.replace(part, "***")
    return said[:MAX_LOG]


if __name__ == "__main__":
    main()
