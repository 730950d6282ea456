"""Imports what a Pi can do without part of: to be imported before anything else that is no part of Python.

structlog takes rich for coloured tracebacks, 3 MiB, and greenlet with its C++ library, 1 MiB, where they are; pydantic
takes `importlib.metadata` to look for plugins, of which an agent has none, with all of `email` and `zipfile`, 1.5 MiB;
paho `urllib.request` for proxies and asyncio its TLS, which the agent uses for no connection, 1 MiB.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, Final

DEFERRED: Final = ("urllib.request", "asyncio.sslproto")
"""Modules that are loaded when somebody first takes something out of them."""


@contextmanager
def _in_place_of(stand_ins: dict[str, ModuleType | None]) -> Iterator[None]:
    """Give importers these; None is what a name that can't be imported has. What is imported already stays."""
    ours = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(ours)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in ours:
            del sys.modules[name]


def _defer(name: str) -> None:
    parent, _, last = name.rpartition(".")
    folder = importlib.util.find_spec(parent)
    spec = PathFinder.find_spec(name, folder.submodule_search_locations if folder else None)
    if name in sys.modules or spec is None:
        return
    # importlib's LazyLoader will not do: in Python 3.11 the next `import` of the name loads it
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    vars(module)["__getattr__"] = _loader(module, spec)
    setattr(importlib.import_module(parent), last, module)


def _loader(module: ModuleType, spec: ModuleSpec) -> Any:
    lock, begun = RLock(), False

    def load(attribute: str) -> Any:
        """A module's own `__getattr__` (PEP 562); another thread waits until all is there."""
        nonlocal begun
        with lock:
            if begun:
                raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
            if "__getattr__" in vars(module) and spec.loader is not None:
                begun = True
                try:
                    spec.loader.exec_module(module)
                    vars(module).pop("__getattr__", None)
                finally:
                    begun = False
        return getattr(module, attribute)

    return load


def _no_plugins() -> ModuleType:
    metadata = ModuleType("importlib.metadata")
    vars(metadata)["entry_points"] = lambda **_: ()
    return metadata


for _name in DEFERRED:
    _defer(_name)
with _in_place_of({"rich": None, "greenlet": None}):
    import structlog  # noqa: F401
with _in_place_of({"importlib.metadata": _no_plugins()}):
    import pydantic.plugin._loader  # noqa: F401
