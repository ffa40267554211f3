"""How the engine's functions are compiled, and the form in which a world reaches them."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import types
from numba.experimental import structref

from kpp.simulator.engine.layout import World

_Function = TypeVar("_Function", bound=Callable[..., object])

_CALLED_FROM_COMPILED_CODE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: _Function) -> _Function:
    """Compile a function that is called from compiled code only; a call from Python would crash.

    The wrappers for calls from Python would double the time that compiling takes.
    """
    return cast(_Function, numba.njit(**_CALLED_FROM_COMPILED_CODE)(function))


@structref.register
class NativeWorldType(types.StructRef):
    """A world behind one pointer; as a tuple of arrays it would be some 150 arguments to every function."""


class NativeWorld(structref.StructRefProxy):
    """Made inside compiled code, `NativeWorld(*world)`: the same arrays under the same names."""


_define_constructor: Callable[..., None] = structref.define_constructor  # numba gives it no types
_define_constructor(NativeWorld, NativeWorldType, World._fields)

# typed as what it stands for: it has the arrays of a world, under the same names
as_native = cast(Callable[..., World], NativeWorld)
