"""The same seed gives the same run, bit for bit, however time is cut into pieces, and whoever looks on."""

import hashlib
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from kpp.simulator.application_file import read_application
from kpp.simulator.engine import Engine, EngineSnapshot

APPLICATION = read_application("online_boutique")
END_SECONDS = 40.0


def run_in_pieces(seed: int, instants: list[float]) -> tuple[EngineSnapshot, str]:
    engine = Engine.with_pods(APPLICATION, seed=seed)
    engine.set_users(150, spawn_rate=20)
    for instant in instants:
        engine.advance(instant)
        engine.snapshot()
    world: Any = engine._world
    digest = hashlib.sha256(str(world.generator.bit_generator.state).encode())
    for array in world:
        if isinstance(array, np.ndarray):  # by field: between fields there are bytes that mean nothing
            for name in array.dtype.names or (...,):
                digest.update(array[name].tobytes())
    return engine.snapshot(), digest.hexdigest()


WHOLE = run_in_pieces(1, [END_SECONDS])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, END_SECONDS), max_size=30))
def test_pieces_are_the_same_as_the_whole_to_the_last_bit(instants: list[float]) -> None:
    assert run_in_pieces(1, [*sorted(instants), END_SECONDS])[1] == WHOLE[1]


def test_another_seed_gives_another_run() -> None:
    other = run_in_pieces(2, [END_SECONDS])
    assert other[0].operations != WHOLE[0].operations
