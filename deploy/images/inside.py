"""Run by an image's own Python, which loads nothing else of ours: what its programs import, and bytecode of it.

`inside.py imported MODULE ...` prints the files of all modules that these bring, `inside.py compile` reads triples of
source, target and name in the image. Both speak JSON.
"""

import importlib
import json
import py_compile
import sys


def imported(modules: list[str]) -> list[str]:
    """The source files of all that is loaded once these modules are."""
    for module in modules:
        importlib.import_module(module)
    files = {getattr(module, "__file__", None) for module in sys.modules.values()} - {None, __file__}
    return sorted(file for file in files if file and file.endswith(".py"))


def compile_all(triples: list[tuple[str, str, str]]) -> None:
    """Write bytecode that is believed without a look at its source: what stands in a layer stays as it is."""
    for source, target, name in triples:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, target, name, doraise=True, invalidation_mode=mode)


if __name__ == "__main__":
    if sys.argv[1] == "imported":
        json.dump(imported(sys.argv[2:]), sys.stdout)
    else:
        compile_all(json.load(sys.stdin))
