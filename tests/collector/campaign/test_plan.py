import pytest

from kpp.collector.campaign.plan import Level, plan_campaign
from kpp.collector.config import Config
from kpp.errors import ConfigError


def test_the_plan_counts_every_phase() -> None:
    config = Config(
        user_counts=(10, 25),
        spawn_rate=10,
        warmup_seconds=60,
        sampling_interval_seconds=60,
        measured_seconds=610,
        evaluation_lag_seconds=30,
        cooldown_seconds=180,
    )

    first, second = plan_campaign(config).experiments

    assert (first.number, first.user_count, second.number, second.user_count) == (1, 10, 2, 25)
    assert (first.warmup_seconds, second.warmup_seconds) == (61.0, 62.5)
    assert first.measured_seconds == 10 * 60 + 30  # ten whole intervals fit into 610 s
    assert (first.cooldown_seconds, second.cooldown_seconds) == (180.0, 0.0)
    assert plan_campaign(config).total_seconds == 61 + 630 + 180 + 62.5 + 630


def test_replicas_that_are_the_load_have_to_make_the_users() -> None:
    config = Config(user_counts=(20, 30, 45), users_per_replica=20)
    with pytest.raises(ConfigError, match="replicas of 20 users each cannot make 30, 45 users"):
        plan_campaign(config)
    assert len(plan_campaign(config, [Level(20), Level(40)]).experiments) == 2


def test_the_whole_sweep_is_repeated_and_numbered_through() -> None:
    plan = plan_campaign(Config(user_counts=(10, 20), repeat=3))
    assert [(each.number, each.user_count) for each in plan.experiments] == [
        (1, 10),
        (2, 20),
        (3, 10),
        (4, 20),
        (5, 10),
        (6, 20),
    ]
    assert [each.cooldown_seconds for each in plan.experiments] == [180.0] * 5 + [0.0]
