"""The papers name what is there: files, functions, make's targets and modules, so that they can't rot unseen."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parents[2]
_PAPERS = sorted(
    path.relative_to(_TOP).as_posix()
    for path in (*_TOP.glob("*.md"), *_TOP.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"  # it speaks of versions that were
)
_CODE = re.compile(r"`([^`\n]+)`")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(
    r"(?P<path>[\w.-]+(?:/[\w.-]+)*\.(?:py|sql|md|sh|toml|html|service|conf))(?::(?P<name>[A-Za-z_][\w.]*))?"
)
_PLACEHOLDER = re.compile(r"\b(NAME|NNNN)")
_FOLDER = re.compile(r"(?P<path>[\w.-]+(?:/[\w.-]+)*)/")
_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MAKE = re.compile(r"\bmake ([a-z][a-z-]+)\b")
_MODULE = re.compile(r"python3? -m ([a-z_]+(?:\.[a-z_]+)*)")
_SECRET = re.compile(
    r"--token [^-\s`]|--(authentication-)?key HEX|--password [^-\s`]|\bcurl\b.* (-u|-H ['\"]Auth)|--dsn \S+:[^@\s/]+@"
)
"""A secret among a program's arguments, which `ps` shows to every account of the machine."""
_TOPS = {path.name for path in _TOP.iterdir() if not path.name.startswith(".") or path.name == ".ci"}


@cache
def _names(path: str) -> frozenset[str]:
    """What a module defines: its functions, classes and constants, and `Class.member`."""
    found: set[str] = set()

    def add(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    add(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(prefix + one.id for one in targets if isinstance(one, ast.Name))

    add(ast.parse((_TOP / path).read_text("utf-8")).body, "")
    return frozenset(found)


def missing(text: str, folder: Path) -> list[str]:
    """What a paper in `folder` names and the repository has not."""
    prose = _FENCED.sub("", text)
    words = _CODE.findall(prose)
    commands = "\n".join([*words, *_FENCED.findall(text)])
    wrong = [*_missing_files(words), *_missing_commands(commands)]
    return wrong + [fault for link in _LINK.findall(prose) if (fault := _fault_of_link(*link, text, folder))]


def _missing_files(words: list[str]) -> Iterator[str]:
    for word in words:
        if _PLACEHOLDER.search(word):
            continue
        file, place = _FILE.fullmatch(word), _FOLDER.fullmatch(word)
        # at the top, or below one of its folders: `config.toml` alone may be anybody's
        if file and (file["path"].split("/")[0] in _TOPS or file["path"].endswith(".py")):
            if not (_TOP / file["path"]).is_file():
                yield f"{word}: no such file"
            elif file["name"] and file["name"] not in _names(file["path"]):
                yield f"{word}: nothing of that name in the file"
        elif place and place["path"].split("/")[0] in _TOPS and not (_TOP / place["path"]).is_dir():
            yield f"{word}: no such folder"


def _missing_commands(commands: str) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", (_TOP / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name in _MAKE.findall(commands):
        if name not in targets:
            yield f"make {name}: no such target"
    for module in _MODULE.findall(commands):
        path = _TOP.joinpath(*module.split("."))
        if module.split(".")[0] in _TOPS and not (path.is_dir() or path.with_suffix(".py").is_file()):
            yield f"python -m {module}: no such module"


def _fault_of_link(link: str, anchor: str, text: str, folder: Path) -> str:
    if "://" in link:
        return ""
    if link and not (folder / link).exists():
        return f"]({link}): no such file"
    whole = (folder / link).read_text("utf-8") if link and anchor else text
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in _HEADING.findall(whole)}
    return f"]({link}{anchor}): no such heading" if anchor and anchor[1:] not in anchors else ""


@pytest.mark.parametrize("name", _PAPERS)
def test_a_paper_names_what_is_there(name: str) -> None:
    """Each file, `file.py:function`, folder, make's target, module and link in it exists."""
    paper = _TOP / name
    assert missing(paper.read_text("utf-8"), paper.parent) == []


def test_decisions_have_one_form_and_are_all_listed() -> None:
    """Numbered without a gap, each with its three parts and a status, and a line in the list."""
    folder = _TOP / "docs" / "decisions"
    listed = (folder / "README.md").read_text("utf-8")
    pages = sorted(folder.glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for number, page in enumerate(pages, 1):
        title, status, *_ = page.read_text("utf-8").splitlines()
        heads = _HEADING.findall(page.read_text("utf-8"))
        assert heads[1:] == ["Context", "Decision", "Consequences"], page.name
        state, date = re.fullmatch(r"([A-Z].*), (\d{4}-\d\d-\d\d)\.", status).groups()  # type: ignore[union-attr]
        row = f"| [{number}]({page.name}) | {title.removeprefix(f'# {number}. ')} | {date} | {state.lower()} |"
        assert row in listed.splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "`store/gone.py`", "`store/pool.py:gone`", "`store/pool.py:Pool.gone`", "`gone.py`", "`store/gone.sql`",
        "`gateway/gone/`", "`make gone`", "```\nmake gone\n```", "`python -m deploy.gone`", "[a](gone.md)",
        "[a](docs/STORE.md#gone)", "[a](#gone)",
    ],
)  # fmt: skip
def test_what_is_not_there_is_found(text: str) -> None:
    """One of each kind."""
    assert len(missing(text, _TOP)) == 1


def test_what_is_there_is_not() -> None:
    """Files, functions, methods, constants and folders of ours, and files of others."""
    text = """`store/sql.py:Statement.run`, `store/sql.py:statement`, `store/sql.py:STATEMENTS`, `Makefile`,
    `store/functions/`, `ports.json`, `meters/wires/NAME.py`, `make demo UNKNOWN=1`,
    `.venv/bin/python -m tests.chaos --list`,
    [a](docs/STORE.md#jobs)"""
    assert missing(text, _TOP) == []


@pytest.mark.parametrize("paper", _PAPERS)
def test_no_page_has_a_secret_as_an_argument(paper: str) -> None:
    """What a reader types after us, nobody else on the machine reads."""
    text = (_TOP / paper).read_text("utf-8")
    commands = "\n".join([*_CODE.findall(text), *_FENCED.findall(text)])
    assert [found[0] for found in _SECRET.finditer(commands)] == []
