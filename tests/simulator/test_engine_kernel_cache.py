"""The compiled kernel on disk is never older than the engine's files."""

from collections.abc import Callable
from typing import Any

import numba

from kpp.simulator.engine.kernel_cache import _cached_kernel, _source_digest, run_until


def _cached(digest: str) -> Callable[[], str]:
    @numba.njit(cache=True)
    def tell() -> str:
        return digest

    return tell


def test_what_a_function_closes_over_is_part_of_its_place_in_numbas_cache() -> None:
    assert [_cached(digest)() for digest in ("one", "two", "one")] == ["one", "two", "one"]


def test_the_kernel_closes_over_the_digest_of_all_files() -> None:
    dispatcher: Any = run_until
    cells = [cell.cell_contents for cell in dispatcher.py_func.__closure__]
    assert cells == [_source_digest()]
    assert _cached_kernel("another") is not run_until
