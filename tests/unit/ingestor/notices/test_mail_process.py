"""A mail's parts, and what is said of its recipients."""

import base64
from types import SimpleNamespace
from typing import Any

from ingestor.notices.mail_process import _judged, mark, message

ASKED = {
    "id": "wattline-report-7-x", "made_at": "2026-03-10T05:00:00+00:00", "subject": "Bericht für März",
    "plain": "text", "html": "<p>text</p>", "name": "a.csv", "data": base64.b64encode(b"a,b\r\n").decode(),
}  # fmt: skip


SERVICE: Any = SimpleNamespace(
    from_addr=(False, "w@example.org"), targets=[(False, "a@example.org"), ("B", "b@example.net")],
    cc={"c@example.org"}, bcc={"d@example.org"}, reply_to=set(),
)  # fmt: skip
"""What apprise makes of a channel's URL; tests/integration/test_job_report.py has one that it made."""


def test_a_mail_is_whole_and_known_again() -> None:
    """Both texts, the file, who it is from, and an id that is the same in a repeat."""
    mail = message(SERVICE, ASKED)
    assert (mail["From"], mail["Message-ID"]) == ("w@example.org", "<wattline-report-7-x@example.org>")
    assert (mail["Cc"], "d@example.org" in str(mail)) == ("c@example.org", False)
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/csv"]
    assert mail.as_bytes() != b""
    assert mail["Subject"] == "Bericht für März"


def test_what_servers_say_is_for_good_or_may_heal() -> None:
    """By the first digit; recipients are not named whole, nor is anything of the channel's URL."""
    url = "mailtos://user:secret@smtp.example.org?to=ops@example.org"
    problems = {"ops@example.org": (550, b"no ops@example.org, secret"), "b@example.org": (452, b"full")}
    found = _judged(["ops@example.org", "b@example.org", "c@example.org"], problems, url)
    assert found["taken"] == [mark("c@example.org")]
    assert found["refused"] == {mark("ops@example.org"): "o***@example.org: 550 no ops@***, ***"}
    assert found["waiting"] == {mark("b@example.org"): "b***@example.org: 452 full"}
