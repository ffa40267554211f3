"""How much CPU a request needs, and having it computed."""

from kpp.simulator.engine.cpu import join_container
from kpp.simulator.engine.draws import draw_factor
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.native import compiled
from kpp.simulator.engine.states import Stage


@compiled
def draw_demand(world: World, row: int) -> None:
    """Draw the CPU that a request needs in all, and spread it evenly before, between and after its calls."""
    request = world.requests[row]
    operation = world.operations[request.operation]
    service = world.services[request.service]
    call_count = 0
    for call_row in range(operation.first_call, operation.end_call):
        call_count += world.call_times[call_row, request.items]
    mean = operation.cpu_seconds + operation.call_cpu_seconds * call_count
    factor = draw_factor(world.generator, service.distribution, service.sigma) * service.demand_factor
    request.segment_seconds = mean * factor / (call_count + 1)


@compiled
def compute(world: World, row: int, now: float) -> None:
    """Work until the next call or the end; while throttled, even a request that needs no CPU has to wait."""
    request = world.requests[row]
    request.stage = Stage.COMPUTING
    join_container(world, request.pod, row, request.segment_seconds, now)
