"""The benchmarks, which no other test runs, can still be loaded: what they import of the product is there."""

import importlib
import pkgutil

import pytest

import benchmarks

MODULES = [one.name for one in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.") if "__main__" not in one.name]


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_loads(name: str) -> None:
    """A name that was moved without it is found here, and not on the day that somebody measures."""
    importlib.import_module(name)
