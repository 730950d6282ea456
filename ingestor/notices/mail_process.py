"""What runs in the process that sends a mail: one from standard input, what came of it to standard output.

The URL is read by apprise, as that of every e-mail channel is; the mail is handed over by Python's own smtplib, which
says of each recipient what the server answered. Addresses are judged as in apprise_process.
"""

import base64
import contextlib
import hashlib
import json
import smtplib
import ssl
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any, Final

from ingestor.notices.addresses import FIX
from ingestor.notices.apprise_process import judged_into, without

LEAVE_S: Final = 2.0


def main() -> None:
    """Send the mail that standard input has."""
    asked = json.load(sys.stdin)
    refused: list[str] = []
    if not asked["private"]:
        sys.addaudithook(judged_into(refused))
    try:
        answer = _sent(asked)
    except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
        if refused:
            said = f"it leads to {refused[0]}, which is not an address of the world's; {FIX}"
            answer = _answer(error=said, dead=True)
        else:
            answer = _answer(error=without(_told(error), asked["url"]))
    sys.stdout.write(json.dumps(answer))


def message(service: Any, asked: Mapping[str, Any]) -> EmailMessage:
    """The mail, with the sender and the recipients of the channel."""
    sender = service.from_addr[1]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = formataddr((service.from_addr[0] or "", sender))
    mail["To"] = ", ".join(formataddr((name or "", address)) for name, address in service.targets)
    if service.cc:
        mail["Cc"] = ", ".join(sorted(service.cc))
    if service.reply_to:
        mail["Reply-To"] = ", ".join(sorted(service.reply_to))
    mail["Subject"] = asked["subject"]
    mail["Date"] = format_datetime(datetime.fromisoformat(asked["made_at"]))
    mail["Message-ID"] = f"<{asked['id']}@{sender.rpartition('@')[2]}>"
    # nobody's holiday is to answer it (RFC 3834 5)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(asked["plain"])
    mail.add_alternative(asked["html"], subtype="html")
    if asked["name"] is not None:
        data = base64.b64decode(asked["data"])
        mail.add_attachment(data, maintype="text", subtype="csv", filename=asked["name"], params={"charset": "utf-8"})
    return mail


def _sent(asked: Mapping[str, Any]) -> dict[str, Any]:
    import apprise  # noqa: PLC0415 - behind the hook

    service: Any = apprise.Apprise.instantiate(asked["url"], suppress_exceptions=True)
    if service is None or not hasattr(service, "smtp_host"):
        return _answer(error="apprise reads no e-mail address of the channel's URL", dead=True)
    if str(getattr(service, "pgp_mode", "no")) not in ("no", "none"):
        return _answer(error="the channel asks for PGP, and a report is not sealed: use one without pgp=", dead=True)
    everyone = dict.fromkeys([address for _, address in service.targets] + sorted(service.cc) + sorted(service.bcc))
    pending = [one for one in everyone if mark(one) not in asked["done"]]
    if not pending:
        return _answer()
    data = message(service, asked).as_bytes()
    server = _opened(service, asked["timeout_s"])
    try:
        problems: Mapping[str, tuple[int, bytes]] = server.sendmail(service.from_addr[1], pending, data)
    except smtplib.SMTPRecipientsRefused as error:
        problems = error.recipients
    except smtplib.SMTPResponseException as error:
        problems = dict.fromkeys(pending, (error.smtp_code, _bytes(error.smtp_error)))
    finally:
        _leave(server)
    return _judged(pending, problems, asked["url"])


def mark(address: str) -> str:
    """What a recipient is known by where addresses are not to be read."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def shown(address: str) -> str:
    """What people may see of a recipient."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}***@{domain}"


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; that a server has no answer to it must not make what it took come again."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        if server.sock is not None:
            server.sock.settimeout(LEAVE_S)
        server.quit()
    server.close()


def _opened(service: Any, timeout_s: float) -> smtplib.SMTP:
    """A session, encrypted and logged in as the channel's URL says. Raises OSError, SMTPException."""
    context = ssl.create_default_context()
    if not service.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    mode = str(getattr(service.secure_mode, "value", service.secure_mode))
    if mode == "ssl":
        server: smtplib.SMTP = smtplib.SMTP_SSL(service.smtp_host, service.port, timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(service.smtp_host, service.port, timeout=timeout_s)
    try:
        if mode == "starttls":
            server.starttls(context=context)
        if service.user and service.password:
            server.login(service.user, service.password)
    except BaseException:
        server.close()
        raise
    return server


def _judged(pending: Iterable[str], problems: Mapping[str, tuple[int, bytes]], url: str) -> dict[str, Any]:
    """5xx is for good, all else may heal (RFC 5321 4.2.1)."""
    said = {who: f"{shown(who)}: {code} {without(_text(words), url)}" for who, (code, words) in problems.items()}
    return _answer(
        taken=[mark(one) for one in pending if one not in problems],
        refused={mark(who): said[who] for who, (code, _) in problems.items() if code >= 500},
        waiting={mark(who): said[who] for who, (code, _) in problems.items() if code < 500},
    )


def _answer(
    taken: Iterable[str] = (), refused: Mapping[str, str] | None = None, waiting: Mapping[str, str] | None = None,
    error: str = "", *, dead: bool = False,
) -> dict[str, Any]:  # fmt: skip
    return {"taken": list(taken), "refused": refused or {}, "waiting": waiting or {}, "error": error, "dead": dead}


def _told(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server says {error.smtp_code} {_text(error.smtp_error)}"
    return f"{type(error).__name__}: {error}"


def _bytes(words: bytes | str) -> bytes:
    return words if isinstance(words, bytes) else words.encode()


def _text(words: bytes | str) -> str:
    text = _bytes(words).decode("utf-8", "replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


if __name__ == "__main__":
    main()
