"""The constants of the engine, and the names of the states that its rows can be in."""

from enum import IntEnum

import numpy as np

NONE = -1
NEVER = np.inf
MINUTE_SECONDS = 60.0
PERIOD_SECONDS = 0.1  # of CFS bandwidth control: container_spec_cpu_period is 100000 µs everywhere
RESTART_BACKOFF_SECONDS = 10.0  # the kubelet's: doubled at each restart up to 300 s, reset after 600 s
LONGEST_BACKOFF_SECONDS = 300.0
BACKOFF_RESET_SECONDS = 600.0

# Envoy's default `le` for Istio's duration histograms, in milliseconds; the last bucket is +Inf
BUCKET_BOUNDS_MS = np.array(
    [
        *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000),
        *(300_000, 600_000, 1_800_000, 3_600_000),
    ]
)
BUCKET_COUNT = len(BUCKET_BOUNDS_MS) + 1


class Stage(IntEnum):
    """Where a request is, in the order in which it gets there."""

    FREE = 0  # the row is unused
    SOURCE_SIDECAR = 1
    NETWORK = 2
    DESTINATION_SIDECAR = 3
    WAITING = 4  # in line for a worker
    COMPUTING = 5  # shares the container's CPU
    CALLING = 6  # waits for the answer of a call of its own
    DESTINATION_SIDECAR_BACK = 7
    NETWORK_BACK = 8
    SOURCE_SIDECAR_BACK = 9


class Outcome(IntEnum):
    """How a request ended. `snapshot.py` says which response code, gRPC status and flags stand for it."""

    OK = 0
    REDIRECTED = 1
    FAILED = 2  # the service answered with an error, because a call of its own failed
    OVERFLOWED = 3  # too many requests in progress
    REFUSED = 4  # the container was down
    LOST = 5  # the container or the pod ended while it was in progress
    UNROUTED = 6  # no ready pod
    GIVEN_UP = 7  # the caller's time-out passed, or the caller itself ended


OUTCOME_COUNT = len(Outcome)
REFUSALS = (Outcome.OVERFLOWED, Outcome.REFUSED, Outcome.UNROUTED)  # never admitted into an application


class Kind(IntEnum):
    """Why a request exists."""

    CALL = 0
    ACTION = 1  # a user's action, running on the load generator; its calls are the user's requests
    PROBE = 2  # the kubelet's


class Phase(IntEnum):
    """Where a pod is in its life, and what its next timer does."""

    GONE = 0  # the row is unused
    STARTING = 1  # the timer makes it ready
    CRASHED = 2  # the timer starts the container again
    FAILING = 3  # the timer crashes the container; from here on it serves
    RUNNING = 4  # the timer sends a probe
    TERMINATING = 5  # the timer ends it


class UserState(IntEnum):
    """Where a user is."""

    FREE = 0  # the row is unused
    STARTING = 1  # its next action is the one done once
    WAITING = 2
    ACTING = 3
    LEAVING = 4  # goes when its action ends
    STOPPED = 5  # goes at once


class Pending(IntEnum):
    """What a container's next event is."""

    NOTHING = 0
    COMPLETION = 1
    THROTTLE = 2
    RESUME = 3


class Distribution(IntEnum):
    """How a demand varies; each has the mean 1 and is multiplied by the mean demand."""

    CONSTANT = 0
    EXPONENTIAL = 1
    LOGNORMAL = 2


class SessionEffect(IntEnum):
    """What a success does to the user's items."""

    NONE = 0
    ADD_ITEM = 1
    CLEAR_ITEMS = 2
