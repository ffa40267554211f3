"""Whatever clients send is taken or refused; it never breaks the cluster."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.simulator.kubernetes.api.tables import make_table
from kpp.simulator.kubernetes.cluster import SimulatedCluster
from kpp.simulator.kubernetes.manifests import application_manifests, load_generator_manifest
from kpp.simulator.kubernetes.objects.resources import (
    LEASES,
    STORED,
    Json,
    resource_of,
)
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from kpp.simulator.kubernetes.online_boutique import LOAD_GENERATOR, WORKLOADS
from tests.simulator.kubernetes.clusters import make_cluster

ODD_VALUES: list[Any] = [
    *(None, 0, -1, 1.5, True, 10**12, "", "x", "50%", "1Gi", "-1", [], {}, [None], [{}], ["x"], [[]]),
    *(
        {"a": None},
        {"a": 1},
        {"name": "x"},
        {"cpu": "1"},
        [{"name": "x", "image": "y"}],
        {"matchLabels": None},
    ),
]


def pod() -> Json:
    spec = copy.deepcopy(load_generator_manifest(LOAD_GENERATOR)["spec"]["template"]["spec"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lonely", "labels": {"app": "x"}},
        "spec": spec,
    }


def manifests() -> list[Json]:
    lease = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": {"name": "lock"}}
    return [
        *application_manifests(WORKLOADS[:1], LOAD_GENERATOR)[1:],
        pod(),
        {**lease, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}},
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a manifest."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def put(manifest: Json, path: tuple[Any, ...], value: Any) -> Json:
    changed: Any = copy.deepcopy(manifest)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return dict(changed)


@st.composite
def odd_manifests(draw: st.DrawFn) -> Json:
    manifest = draw(st.sampled_from(manifests()))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(
            st.sampled_from([path for path in places(manifest) if path[0] not in ("kind", "apiVersion")])
        )
        manifest = put(manifest, path, draw(st.sampled_from(ODD_VALUES)))
    return manifest


def look_at_everything(cluster: SimulatedCluster) -> None:
    for resource in STORED:
        make_table(resource, cluster.store.list_all(resource), {}, cluster.now, "Object")


@settings(max_examples=300, deadline=None)
@given(odd=odd_manifests(), is_update=st.booleans())
def test_odd_manifests(odd: Json, is_update: bool) -> None:
    cluster = make_cluster()
    resource = resource_of(odd)
    name = next(each["metadata"]["name"] for each in manifests() if resource_of(each) is resource)
    namespace = "default" if resource.namespaced else ""
    with contextlib.suppress(StatusError):
        if is_update:
            sound = next(each for each in manifests() if resource_of(each) is resource)
            cluster.registry.create(resource, sound, namespace)
            cluster.step(cluster.now + 20)
            cluster.registry.patch(resource, name, namespace, lambda present: {**present, **odd})
        else:
            cluster.registry.create(resource, odd, namespace)
    cluster.step(cluster.now + 30)
    look_at_everything(cluster)
