from hypothesis import HealthCheck, given, settings

from kpp.whatif.models.queueing_network import QueueingNetwork
from tests.whatif.laws_of_predictions import Asked, asked_situations, check_laws


@given(asked=asked_situations(QueueingNetwork))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_laws_hold_whatever_is_asked(asked: Asked) -> None:
    check_laws(asked)
