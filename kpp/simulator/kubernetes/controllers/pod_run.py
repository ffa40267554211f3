"""What a kubelet knows of a pod: how far it is, since when, and how often its containers began."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kpp.simulator.kubernetes.objects.resources import Json


@dataclass(frozen=True)
class PodTimes:
    """How long a pod takes from one stage to the next, in seconds."""

    creating_seconds: float = 0.5  # sandbox and images, until the first container can start
    init_seconds: float = 1.0  # all init containers together; nothing for a pod without any
    startup_seconds: float = 3.0  # from the start of its containers until it passes its readiness probe
    stopping_seconds: float = 1.0  # from SIGTERM until its containers have ended; its grace period at most


@dataclass(frozen=True)
class StartupTimes:
    """The times of each Deployment's pods."""

    default: PodTimes = PodTimes()
    by_deployment: Mapping[str, PodTimes] = field(default_factory=dict)

    def of(self, deployment: str) -> PodTimes:
        """The times of one Deployment's pods."""
        return self.by_deployment.get(deployment, self.default)


class Stage(Enum):
    """How far a pod on a node is."""

    CREATING = "creating"
    INITIALIZING = "initializing"  # its init containers run
    STARTING = "starting"  # its containers run and are not ready yet
    READY = "ready"
    UNREADY = "unready"  # its containers run and fail the readiness probe
    STOPPING = "stopping"


@dataclass
class PodRun:
    """A pod on its node."""

    deployment: str
    ip: str
    created_at: float
    stage: Stage = Stage.CREATING
    due_at: float | None = None  # of the next stage, Unix seconds; None: it stays as it is
    init_started_at: float | None = None
    started_at: float | None = None  # of its containers
    restarts: dict[str, int] = field(default_factory=dict)  # by container
    restarted_at: dict[str, float] = field(default_factory=dict)
    last_states: dict[str, Json] = field(default_factory=dict)  # how the container's last run ended

    @property
    def is_running(self) -> bool:
        """Whether its containers run."""
        return self.started_at is not None
