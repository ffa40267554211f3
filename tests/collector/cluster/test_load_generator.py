import copy
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.collector.cluster.load_generator import (
    LoadState,
    Variable,
    find_load,
    kubectl_patch_command,
    load_patch,
    replicas_patch,
    restore_patch,
)
from kpp.errors import KubernetesError
from tests.collector.fake_pods import Object
from tests.collector.strategic_merge import merge

FROM_CONFIG_MAP = {"configMapKeyRef": {"name": "load", "key": "users", "optional": True}}


def make_deployment(*containers: Object, replicas: int = 1) -> Object:
    return {
        "metadata": {"name": "loadgenerator"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": list(containers)}}},
    }


def make_container(name: str, *env: Object) -> Object:
    return {"name": name, "image": "locust:1", **({"env": list(env)} if env else {})}


def value(name: str, text: str) -> Object:
    return {"name": name, "value": text}


def read_env(deployment: Object, container: int = 0) -> dict[str, Any]:
    env = deployment["spec"]["template"]["spec"]["containers"][container]["env"]
    return {entry["name"]: entry for entry in env}


def test_the_container_that_has_users_is_found_whatever_its_place() -> None:
    sidecar = make_container("istio-proxy", value("RATE", "of the proxy"))
    main = make_container(
        "main", value("FRONTEND_ADDR", "frontend:80"), value("RATE", "1"), value("USERS", "10")
    )

    state = find_load(make_deployment(sidecar, make_container("plain"), main, replicas=3))

    variables = (Variable("RATE", value("RATE", "1")), Variable("USERS", value("USERS", "10")))
    assert state == LoadState(3, "main", variables)
    assert str(state) == "replicas 3, RATE=1, USERS=10 in container main"


def test_a_variable_that_is_absent_and_one_with_a_source_are_told_apart() -> None:
    state = find_load(
        make_deployment(make_container("main", {"name": "USERS", "valueFrom": FROM_CONFIG_MAP}))
    )

    assert state.variables[1] == Variable("RATE", None)
    assert str(state) == f"replicas 1, USERS from {FROM_CONFIG_MAP}, RATE absent in container main"


@pytest.mark.parametrize(
    ("containers", "fault"),
    [
        (
            [make_container("main", value("RATE", "1")), make_container("log")],
            "no container of main, log has the",
        ),
        (
            [make_container("a", value("USERS", "1")), make_container("b", value("USERS", "1"))],
            "more than one",
        ),
        (
            [make_container("main", value("USERS", "1"), value("USERS", "2"))],
            "container main has USERS more than once",
        ),
    ],
)
def test_what_could_not_be_driven_or_put_back_is_refused(containers: list[Object], fault: str) -> None:
    with pytest.raises(KubernetesError, match=fault) as caught:
        find_load(make_deployment(*containers))

    assert str(caught.value).startswith("Deployment loadgenerator: ")


def test_scaling_names_nothing_but_replicas() -> None:
    assert replicas_patch(0) == {"spec": {"replicas": 0}}


def test_a_source_gives_way_to_a_value_and_comes_back() -> None:
    found = make_deployment(make_container("main", {"name": "USERS", "valueFrom": FROM_CONFIG_MAP}))
    state = find_load(found)

    driven = merge(found, load_patch(state, 50, 5))

    assert read_env(driven) == {"USERS": value("USERS", "50"), "RATE": value("RATE", "5")}
    assert merge(driven, restore_patch(state)) == found


def test_the_command_for_the_hand_reads_back_as_its_arguments() -> None:
    command = kubectl_patch_command("load", "shop", "mini kube", """{"a": "it's"}""")

    assert shlex.split(command) == [
        *("kubectl", "patch", "deployment", "load", "--namespace", "shop", "--context", "mini kube"),
        *("--type", "strategic", "--patch", """{"a": "it's"}"""),
    ]


texts = st.text(max_size=5)
entry_bodies: st.SearchStrategy[Object] = st.one_of(
    st.just({}),  # the server leaves an empty value out
    texts.filter(bool).map(lambda text: {"value": text}),
    st.just({"valueFrom": FROM_CONFIG_MAP}),
    st.just({"valueFrom": {"secretKeyRef": {"name": "load", "key": "users"}}}),
)


@st.composite
def deployments(draw: st.DrawFn) -> Object:
    names = draw(st.lists(st.sampled_from(["RATE", "A", "B", "C", "D"]), unique=True))
    names.insert(draw(st.integers(0, len(names))), "USERS")
    main = make_container("main", *({"name": name, **draw(entry_bodies)} for name in names))
    others = [make_container("istio-proxy", value("RATE", "x")), make_container("plain")]
    containers = draw(st.permutations([main, *others]))
    return make_deployment(*containers, replicas=draw(st.integers(0, 5)))


@given(deployments(), st.integers(1, 10**6), st.integers(1, 1000))
def test_the_load_is_set_and_nothing_else(deployment: Object, user_count: int, spawn_rate: int) -> None:
    state = find_load(deployment)

    driven = merge(deployment, load_patch(state, user_count, spawn_rate))

    place = [each["name"] for each in deployment["spec"]["template"]["spec"]["containers"]].index("main")
    env = read_env(driven, place)
    assert env.pop("USERS") == value("USERS", str(user_count))
    assert env.pop("RATE") == value("RATE", str(spawn_rate))
    expected = copy.deepcopy(deployment)
    for each in (expected, driven):
        entries = each["spec"]["template"]["spec"]["containers"][place]["env"]
        entries[:] = [entry for entry in entries if entry["name"] not in ("USERS", "RATE")]
    assert driven == expected


@given(deployments(), deployments())
def test_whatever_was_done_to_it_the_load_generator_comes_back_exactly(found: Object, other: Object) -> None:
    state = find_load(found)
    driven = merge(merge(found, load_patch(state, 50, 5)), replicas_patch(other["spec"]["replicas"]))

    restored = merge(driven, restore_patch(state))

    assert restored == found
    assert find_load(restored) == state
