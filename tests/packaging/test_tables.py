"""Tables of the papers that have all of what the code has: rights at the broker, and what the database holds."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from broker.contract.topics import Kind, Topics
from broker.mosquitto.rights import DEVICE, FOREIGN_ROOTS, Act, Grant, device_grants, every_device_grants, role_grants

_TOP = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"`([^`\n]+)`")
_TOPICS = Topics()
_DEVICE = "pi-1"
_OWN = _TOPICS.of(Kind.STATUS, _DEVICE).removesuffix(Kind.STATUS)

Rights = dict[str, set[str]]


def section(name: str, heading: str) -> str:
    """What stands in a paper below a heading, up to the next one of any level."""
    text = (_TOP / name).read_text("utf-8")
    _, found, rest = text.partition(f"{heading}\n")
    assert found, f"{name} has no {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def cells(text: str) -> list[list[str]]:
    """The rows of a section's table but its head, cell by cell."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def documented_rights(text: str) -> dict[str, Rights]:
    """What the table of rights grants to whom, and refuses."""
    (roots,) = re.findall(r"^Foreign roots.*?:\n?(.*?)\n\n", text, re.MULTILINE | re.DOTALL)

    def topics(cell: str, prefix: str) -> set[str]:
        own = {word if word.startswith("specs/") else prefix + word for word in _CODE.findall(cell)}
        below = {f"{_TOPICS.root}/{word}" if word.startswith(("devices/", "specs/")) else word for word in own}
        return below | set(_CODE.findall(roots) if "foreign roots" in cell else ())

    found = {}
    for login, writes, reads in cells(text):
        (name, *_) = _CODE.findall(login)
        prefix = _OWN if name == _DEVICE else ""
        may, _, never = writes.partition("but never")
        subscribes, _, given = reads.partition("but is given")
        found[name] = {
            "publish": topics(may, prefix), "never publish": topics(never, prefix),
            "subscribe": topics(subscribes, prefix), "receive": topics(given or subscribes, prefix),
        }  # fmt: skip
    return found


def rights_of(grants: tuple[Grant, ...]) -> Rights:
    """The same of grants of the code."""

    def topics(act: Act, *, allow: bool = True) -> set[str]:
        return {grant.topic for grant in grants if grant.act is act and grant.allow is allow}

    assert not any(topics(act, allow=False) for act in Act if act is not Act.PUBLISH), "the table has no column for it"
    return {
        "publish": topics(Act.PUBLISH), "never publish": topics(Act.PUBLISH, allow=False),
        "subscribe": topics(Act.SUBSCRIBE), "receive": topics(Act.RECEIVE),
    }  # fmt: skip


def _rights_section() -> str:
    return section("docs/OPERATE.md", "## Who may do what at the broker")


def test_the_table_of_rights_is_what_the_code_grants() -> None:
    """Each login and topic of docs/OPERATE.md, so that another broker can be set up by it alone."""
    roles = role_grants(_TOPICS)
    device = (*device_grants(_TOPICS, _DEVICE), *every_device_grants(_TOPICS))
    granted = {role: grants for role, grants in roles.items() if role != DEVICE} | {_DEVICE: device}
    assert documented_rights(_rights_section()) == {name: rights_of(grants) for name, grants in granted.items()}
    unsubscribed = {grant.topic for grants in granted.values() for grant in grants if grant.act is Act.UNSUBSCRIBE}
    assert unsubscribed == {"#"}, "the text says that each may unsubscribe from all"


def test_a_topic_more_or_less_in_the_table_shows() -> None:
    """Of a role, of a device, of what is refused, and of the foreign roots."""
    text = _rights_section()
    right = documented_rights(text)
    for word in ("`spBv1.0/+/DCMD/+/+`", "`replies`, ", "`wattline/ha/#`, ", f"`{FOREIGN_ROOTS[-1]}`", "`specs/#`"):
        assert text.count(word) >= 1, word
        assert documented_rights(text.replace(word, "", 1)) != right, word


def documented_tables(text: str) -> list[str]:
    """The names in the first column of the table, some of them patterns."""
    return [name for first, *_ in cells(text) for name in _CODE.findall(first)]


def documented_views(text: str) -> list[str]:
    """The names of the list that begins with `Views`."""
    _, found, rest = text.partition("\n**Views**")
    assert found, "docs/STORE.md has no list of views"
    return _CODE.findall(re.sub(r"\(.*?\)", "", rest.split("\n\n")[0], flags=re.DOTALL))


def differences(documented: list[str], there: set[str]) -> list[str]:
    """What a paper names twice, or that is not there, and what is there and not named."""
    hits = {name: [one for one in there if fnmatchcase(one, name)] for name in documented}
    twice = [f"{name} stands twice" for name in hits if documented.count(name) > 1]
    gone = [f"{name} is not there" for name, found in hits.items() if not found]
    return (
        twice
        + gone
        + [f"{one} is not named" for one in sorted(there - {one for all_ in hits.values() for one in all_})]
    )


@pytest.mark.parametrize(
    ("documented", "made_by", "files"),
    [
        (documented_tables, r"^CREATE TABLE public\.(\w+)", ["schema.sql"]),
        (documented_views, r"^CREATE OR REPLACE VIEW (\w+)", ["functions/*.sql", "editions/*/*.sql"]),
    ],
)  # fmt: skip
def test_the_list_of_tables_and_views_is_whole(
    documented: Callable[[str], list[str]], made_by: str, files: list[str]
) -> None:
    """docs/STORE.md names each of them once, and none that is not there."""
    named = documented(section("docs/STORE.md", "# What the database holds"))
    texts = [path.read_text("utf-8") for pattern in files for path in (_TOP / "store").glob(pattern)]
    there = {name for text in texts for name in re.findall(made_by, text, re.MULTILINE)}
    assert len(there) > 50
    assert not differences(named, there)


def test_a_name_more_or_less_shows() -> None:
    """One that is gone, twice, or missing; a pattern stands for all that it fits."""
    there = {"meter", "rolled_1d", "rolled_1h"}
    assert differences(["meter", "rolled_*"], there) == []
    assert differences(["meter", "meter", "rolled_1d", "gone"], there) == [
        "meter stands twice", "gone is not there", "rolled_1h is not named",
    ]  # fmt: skip
