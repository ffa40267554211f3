"""The Role grants exactly what the collector asks for: a real campaign under it, request by request."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from kpp.collector.config import Config
from kpp.collector.preflight.commands import RBAC_MANIFEST
from kpp.collector.preflight.permissions import needed_permissions
from kpp.simulator.kubernetes.api.access import AccessControl, Attributes, Rule, read_rules
from tests.collector.preflight.checked_worlds import check
from tests.deploy.manifests import read
from tests.end_to_end.campaigns import serve_world
from tests.simulator.simulations import simulate, three_tier

LEAST = read_rules(read("rbac.yaml"))
OPTIONAL = read_rules(each for each in read("rbac-optional.yaml") if each["metadata"]["name"] == "kpp-nodes")


def single_grants(rules: Iterable[Rule]) -> Iterator[tuple[str, str, str, str]]:
    """Each verb on each resource on each name that the rules grant."""
    for rule in rules:
        for verb in rule.verbs:
            for group in rule.groups:
                for resource in rule.resources:
                    for name in rule.names or ("",):
                        yield verb, group, resource, name


def used_grants(asked: Iterable[Attributes], rules: Iterable[Rule]) -> set[tuple[str, str, str, str]]:
    """The grants without which one of the requests would have been refused."""
    named = {(rule.groups, resource) for rule in rules if rule.names for resource in rule.resources}
    return {
        (each.verb, each.group, each.path, each.name if ((each.group,), each.path) in named else "")
        for each in asked
    }


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> set[Attributes]:
    """What a campaign of two experiments and the checks before it asked, under the least Role."""
    with serve_world(simulate(three_tier()), tmp_path_factory.mktemp("rbac")) as world:
        world.served.access.grant_only([*LEAST, *OPTIONAL])
        check(world)
        witness = world.collect(user_counts=(5, 10), measured_seconds=120, cooldown_seconds=60)
        assert len(witness.rows) == 2 * 2 * 2
        return set(world.served.access.asked)


def test_every_grant_is_used_and_none_is_missing(asked: set[Attributes]) -> None:
    rules = [*LEAST, *OPTIONAL]
    assert used_grants(asked, rules) == set(single_grants(rules))


def test_the_checks_ask_for_what_the_role_grants() -> None:
    control = AccessControl.granting(LEAST)
    for permission in needed_permissions(Config()):
        resource, _, subresource = permission.resource.partition("/")
        place = permission.namespace, permission.name
        wanted = Attributes(permission.verb, permission.group, resource, subresource, *place)
        assert control.allows(wanted) is (permission.manifest == RBAC_MANIFEST), permission
    checked = {(each.verb, each.group, each.resource, each.name) for each in needed_permissions(Config())}
    assert checked == set(single_grants([*LEAST, *OPTIONAL]))


def test_a_campaign_without_the_nodes_knows_less_and_runs(tmp_path: Path) -> None:
    with serve_world(simulate(three_tier()), tmp_path) as world:
        world.served.access.grant_only(LEAST)
        assert len(world.collect(user_counts=(5,), measured_seconds=60).rows) == 2
