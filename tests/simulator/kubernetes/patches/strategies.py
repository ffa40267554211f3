"""Deployments and patches of them, for hypothesis."""

from typing import Any

from hypothesis import strategies as st

from kpp.simulator.kubernetes.objects.resources import Json

NAMES = st.sampled_from(["main", "proxy", "a", "b"])


def unique_by(key: str, items: st.SearchStrategy[Json], most: int = 4) -> st.SearchStrategy[list[Json]]:
    return st.lists(items, max_size=most, unique_by=lambda item: item.get(key))


VARIABLES = unique_by("name", st.fixed_dictionaries({"name": NAMES, "value": st.sampled_from(["1", "2"])}))
PORTS = unique_by(
    "containerPort",
    st.fixed_dictionaries({"containerPort": st.integers(1, 3), "name": st.sampled_from(["x", "y"])}),
    most=3,
)
CONTAINERS = unique_by(
    "name",
    st.fixed_dictionaries(
        {"name": NAMES, "image": st.sampled_from(["i:1", "i:2"])},
        optional={
            "env": VARIABLES,
            "ports": PORTS,
            "args": st.lists(NAMES, max_size=3),
            "resources": st.just({"limits": {"cpu": "200m", "memory": "64Mi"}}),
        },
    ),
)
STRATEGIES = st.sampled_from(
    [{}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}]
)


@st.composite
def deployments(draw: st.DrawFn) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "shop",
            "labels": {"app": "shop", "tier": "web"},
            "finalizers": draw(st.lists(NAMES, max_size=3, unique=True)),
        },
        "spec": {
            "replicas": 1,
            "strategy": draw(STRATEGIES),
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": draw(CONTAINERS), "initContainers": draw(CONTAINERS)},
            },
        },
    }


def with_directives(
    key: str, items: st.SearchStrategy[Json], values: st.SearchStrategy[Any]
) -> st.SearchStrategy[list[Json]]:
    """Lists of a patch: items, some to be deleted, sometimes the whole list to be replaced."""
    deletion = st.builds(lambda value: {key: value, "$patch": "delete"}, values)
    replacement = st.just({"$patch": "replace"})
    mixed = unique_by(key, st.one_of(items, items, deletion))
    replacing = st.builds(lambda listed, mark: [*listed, mark], unique_by(key, items), replacement)
    return st.one_of(mixed, replacing)


VARIABLE_PATCH = st.fixed_dictionaries(
    {"name": NAMES}, optional={"value": st.sampled_from(["3", None]), "valueFrom": st.none()}
)
PORT_PATCH = st.fixed_dictionaries(
    {"containerPort": st.integers(1, 4)}, optional={"name": st.sampled_from(["z", None])}
)
METADATA_PATCHES = st.sampled_from(
    [
        {"labels": {"tier": None, "new": "yes"}},
        {"labels": {"$patch": "replace", "only": "this"}},
        {"labels": {"$patch": "delete"}},
        {"finalizers": ["b", "new"]},
        {"$deleteFromPrimitiveList/finalizers": ["a", "absent"]},
        {"$setElementOrder/finalizers": ["b", "c", "a"], "finalizers": ["c"]},
    ]
)
STRATEGY_PATCHES = st.sampled_from(
    [
        {"$retainKeys": ["type"], "type": "Recreate"},
        {"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": None},
        {"rollingUpdate": {"maxSurge": 2}},
    ]
)


@st.composite
def container_patches(draw: st.DrawFn, *, nested_directives: bool) -> Json:
    patch: Json = {"name": draw(NAMES)}
    if draw(st.booleans()):
        patch["image"] = draw(st.sampled_from(["i:3", None]))
    if draw(st.booleans()):
        variables = with_directives("name", VARIABLE_PATCH, NAMES)
        patch |= draw(ordered("env", variables if nested_directives else unique_by("name", VARIABLE_PATCH)))
    if draw(st.booleans()):
        ports = with_directives("containerPort", PORT_PATCH, st.integers(1, 4))
        patch["ports"] = draw(ports if nested_directives else unique_by("containerPort", PORT_PATCH))
    if draw(st.booleans()):
        patch["args"] = draw(st.lists(NAMES, max_size=3))
    if draw(st.booleans()):
        replacing = [{"$patch": "replace", "limits": {"cpu": "1"}}] if nested_directives else []
        patch["resources"] = draw(
            st.sampled_from([{"limits": {"cpu": "1", "memory": None}}, None, *replacing])
        )
    return patch


@st.composite
def ordered(draw: st.DrawFn, field: str, lists: st.SearchStrategy[list[Json]]) -> Json:
    """A list of a patch, sometimes with `$setElementOrder`: its items in their order, others among them."""
    items = draw(lists)
    deletes = any(item.get("$patch") == "delete" for item in items)
    if deletes or not draw(st.booleans()):
        return {field: items}
    named = [item["name"] for item in items if "$patch" not in item]
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        if name not in named:
            named.insert(draw(st.integers(0, len(named))), name)
    return {field: items, f"$setElementOrder/{field}": [{"name": name} for name in named]}


@st.composite
def strategic_patches(draw: st.DrawFn, *, nested_directives: bool) -> Json:
    """Strategic-merge patches of `deployments()`.

    Args:
        nested_directives: whether items of lists have directives within: older kubectls differ.
    """
    pod_spec: Json = {}
    items = container_patches(nested_directives=nested_directives)
    for field in ("containers", "initContainers"):
        if draw(st.booleans()):
            pod_spec |= draw(ordered(field, with_directives("name", items, NAMES)))
    spec: Json = {"template": {"spec": pod_spec}} if pod_spec else {}
    if draw(st.booleans()):
        spec["strategy"] = draw(STRATEGY_PATCHES)
    patch: Json = {"spec": spec} if spec else {}
    if draw(st.booleans()):
        patch["metadata"] = draw(METADATA_PATCHES)
    return patch


POINTERS = st.sampled_from(
    [
        "/metadata/labels/app",
        "/metadata/labels/new~1label",
        "/metadata/absent/deep",
        "/spec/replicas",
        "/spec/strategy",
        "/spec/template/spec/containers",
        "/spec/template/spec/containers/0",
        "/spec/template/spec/containers/1",
        "/spec/template/spec/containers/-",
        "/spec/template/spec/containers/0/env",
        "/spec/template/spec/containers/0/env/0/value",
        "/spec/template/spec/containers/0/image",
    ]
)
VALUES = st.sampled_from(["i:9", 7, {"name": "c", "image": "i:9"}, [], [{"name": "c", "image": "i:9"}]])
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": POINTERS, "value": VALUES}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS}),
    st.fixed_dictionaries({"op": st.just("move"), "path": POINTERS, "from": POINTERS}),
    # from what is there: the API server's library copies what is missing as null, `jsonpatch` refuses it
    st.fixed_dictionaries({"op": st.just("copy"), "path": POINTERS, "from": st.just("/metadata/name")}),
    st.just({"op": "test", "path": "/metadata/labels/app", "value": "shop"}),
    st.just({"op": "test", "path": "/spec/replicas", "value": 2}),
)

_PARTS = st.recursive(
    st.one_of(st.none(), st.sampled_from(["i:9", 7, True])),
    lambda part: (
        st.dictionaries(
            st.sampled_from(["labels", "app", "template", "spec", "strategy", "new"]), part, max_size=3
        )
        | st.lists(part.filter(lambda item: item is not None), max_size=2)
    ),
    max_leaves=8,
)
MERGE_PATCHES = st.fixed_dictionaries(
    {}, optional={"spec": st.dictionaries(st.sampled_from(["strategy", "template", "new"]), _PARTS)}
)
