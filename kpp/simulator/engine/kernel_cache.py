"""Keeps the compiled kernel on disk, and compiles it anew whenever a file of the engine has changed."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numba

from kpp.simulator.engine.kernel import process_events
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import as_native


def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cached_kernel(source_digest: str) -> Callable[[World, float], str]:
    """Compile the kernel, or find it compiled.

    Numba's cache looks at the file of the function that it caches only, not at those of the functions called;
    but what the function closes over is part of the cache's key.
    """

    def run_kernel(world: World, until: float) -> str:
        process_events(as_native(*world), until)
        return source_digest

    try:
        return numba.njit(cache=True, nogil=True)(run_kernel)
    except RuntimeError:  # there is no folder that the cache could be written to
        return numba.njit(nogil=True)(run_kernel)


run_until = _cached_kernel(_source_digest())
