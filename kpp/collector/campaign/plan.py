"""What a campaign is going to do and how long it takes, before anything is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kpp.collector.config import Config
from kpp.errors import ConfigError


class Phase(StrEnum):
    """The phases of an experiment, in their order; only the samples of `MEASURING` are kept."""

    STARTING = "starting"
    WARMUP = "warm-up"
    MEASURING = "measuring"
    COOLDOWN = "cooldown"


@dataclass(frozen=True)
class Level:
    """A load, and the replicas at it, by service; services that are not named keep those they have."""

    user_count: int
    replicas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """One load level, held for a while. All durations are in seconds."""

    number: int  # from 1
    user_count: int
    warmup_seconds: float  # the time in which the users start, then the configured warm-up
    measured_seconds: float  # whole sampling intervals, then the lag after which the last can be evaluated
    cooldown_seconds: float  # 0 after the last experiment
    replicas: Mapping[str, int] = field(default_factory=dict)  # by service; the others as they were found

    @property
    def load(self) -> str:
        """The load and the replicas, for people."""
        replicas = "".join(f", {name}={count}" for name, count in sorted(self.replicas.items()))
        return f"{self.user_count} users{replicas}"

    @property
    def total_seconds(self) -> float:
        """The whole experiment, without the roll-out of the load generator, whose length is not known."""
        return self.warmup_seconds + self.measured_seconds + self.cooldown_seconds


@dataclass(frozen=True)
class Plan:
    """All experiments of a campaign, in their order."""

    experiments: tuple[Experiment, ...]

    @property
    def total_seconds(self) -> float:
        """The whole campaign, without roll-outs."""
        return sum(experiment.total_seconds for experiment in self.experiments)

    @property
    def scaled_services(self) -> tuple[str, ...]:
        """The services whose replicas an experiment sets, sorted."""
        return tuple(sorted({name for experiment in self.experiments for name in experiment.replicas}))

    def replicas_of(self, service: str) -> frozenset[int]:
        """How many replicas of a service the experiments set, each number once."""
        return frozenset(each.replicas[service] for each in self.experiments if service in each.replicas)


def plan_campaign(config: Config, levels: Sequence[Level] | None = None) -> Plan:
    """One experiment per level, with a cooldown between two of them; the whole again as often as wished.

    A repetition of all levels, not of each: what changes slowly then shows in all of them alike.

    Args:
        config: durations, and the user counts.
        levels: of a campaign file; None takes the user counts.

    Raises:
        ConfigError: the replicas alone are the load, and a user count is none that they can make.
    """
    levels = [*(levels or map(Level, config.user_counts))] * config.repeat
    _check_divisible(levels, config.users_per_replica)
    sampled_seconds = config.samples_per_experiment * config.sampling_interval_seconds
    return Plan(
        tuple(
            Experiment(
                number=number,
                user_count=level.user_count,
                warmup_seconds=level.user_count / config.spawn_rate + config.warmup_seconds,
                measured_seconds=sampled_seconds + config.evaluation_lag_seconds,
                cooldown_seconds=config.cooldown_seconds if number < len(levels) else 0.0,
                replicas=level.replicas,
            )
            for number, level in enumerate(levels, start=1)
        )
    )


def _check_divisible(levels: Sequence[Level], users_per_replica: int | None) -> None:
    odd = sorted({each.user_count for each in levels if each.user_count % (users_per_replica or 1)})
    if odd:
        raise ConfigError(
            f"replicas of {users_per_replica} users each cannot make {', '.join(map(str, odd))} users",
            where="campaign",
            mend=f"take multiples of KPP_USERS_PER_REPLICA ({users_per_replica})",
        )
