"""What a saturation throughput rests on, in words, and which of that is a guess."""

from enum import StrEnum

import numpy as np

from kpp.queueing.estimation.capacity import UNSURE_DEMAND
from kpp.queueing.estimation.estimates import Estimates
from kpp.queueing.estimation.limits import LimitSource


class Basis(StrEnum):
    """What a service is thought to saturate by."""

    NONE = ""  # nothing is known of its capacity
    SEEN = "as was seen"
    LIMIT = "by its CPU limit"
    ASSUMED_LIMIT = "by an assumed CPU limit"
    GUESSED_SIDECAR = "by its CPU limit and a guessed sidecar"
    GUESSED_REPLICAS = "by its CPU limit and guessed replicas"

    @property
    def is_guess(self) -> bool:
        """Whether the capacity may well be another."""
        return self in (Basis.ASSUMED_LIMIT, Basis.GUESSED_SIDECAR, Basis.GUESSED_REPLICAS)


def find_bases(found: Estimates) -> tuple[Basis, ...]:
    """Of each service."""
    capacity, application = found.capacity, found.application
    seen = {plateau.service for plateau in capacity.plateaus}
    limited = np.isfinite(capacity.cpu_limit).any(axis=0) & np.isfinite(capacity.demand)
    is_guess = application.error > UNSURE_DEMAND * application.share
    bases = []
    for service, source in enumerate(capacity.source):
        if service in seen:
            basis = Basis.SEEN
        elif not limited[service]:
            basis = Basis.NONE
        elif not found.levels.replicas_recorded[service]:
            basis = Basis.GUESSED_REPLICAS
        elif source is LimitSource.ASSUMED:
            basis = Basis.ASSUMED_LIMIT
        else:
            basis = Basis.GUESSED_SIDECAR if is_guess[service] else Basis.LIMIT
        bases.append(basis)
    return tuple(bases)
