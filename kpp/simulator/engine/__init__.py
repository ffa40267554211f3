"""The physics of the simulated cluster: a discrete-event simulation of requests, CPU, sidecars and users.

docs/simulator-physics.md explains the model; `Engine` runs it, `EngineSnapshot` is what can be read.
"""

from kpp.simulator.engine.engine import DEFAULT_NODES, Engine, Node
from kpp.simulator.engine.snapshot import (
    EngineSnapshot,
    OperationTruth,
    PodSnapshot,
    RequestReport,
    ServiceTruth,
    UserRequestTruth,
)
from kpp.simulator.engine.states import BUCKET_BOUNDS_MS, Outcome

__all__ = [
    "BUCKET_BOUNDS_MS",
    "DEFAULT_NODES",
    "Engine",
    "EngineSnapshot",
    "Node",
    "OperationTruth",
    "Outcome",
    "PodSnapshot",
    "RequestReport",
    "ServiceTruth",
    "UserRequestTruth",
]
