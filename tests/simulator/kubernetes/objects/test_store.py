from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.kubernetes.objects.history import object_key
from kpp.simulator.kubernetes.objects.listing import Selection, list_page
from kpp.simulator.kubernetes.objects.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    Json,
    Resource,
)
from kpp.simulator.kubernetes.objects.status_errors import StatusError
from kpp.simulator.kubernetes.objects.store import ObjectStore


def make_store(history_length: int = 1000) -> ObjectStore:
    store = ObjectStore(1_770_000_000.5, Random(1), history_length)
    store.create(NAMESPACES, {"metadata": {"name": "shop"}})
    return store


def manifest(name: str, **content: object) -> Json:
    return {"metadata": {"name": name, "namespace": "shop"}, **content}


def code_of(error: pytest.ExceptionInfo[StatusError]) -> tuple[int, str]:
    return error.value.code, error.value.reason


def test_a_new_object_gets_what_only_the_server_knows() -> None:
    store = make_store()
    created = store.create(DEPLOYMENTS, manifest("a", spec={}))
    metadata = created["metadata"]
    assert metadata["resourceVersion"] == "2"
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == "2026-02-02T02:40:00Z"
    assert len(metadata["uid"]) == 36
    assert store.get(DEPLOYMENTS, "a", "shop") == created


def test_versions_rise_with_every_change_and_generations_with_the_spec_alone() -> None:
    store = make_store()
    store.create(DEPLOYMENTS, manifest("a", spec={"replicas": 1}))
    scaled = store.replace(DEPLOYMENTS, manifest("a", spec={"replicas": 2}))
    labelled = store.replace(
        DEPLOYMENTS, {**scaled, "metadata": {**scaled["metadata"], "labels": {"x": "y"}}}
    )
    reported = store.replace(DEPLOYMENTS, {**labelled, "status": {"replicas": 2}})
    seen = [each["metadata"] for each in (scaled, labelled, reported)]
    assert [each["resourceVersion"] for each in seen] == ["3", "4", "5"]
    assert [each["generation"] for each in seen] == [2, 2, 2]
    assert store.replace(DEPLOYMENTS, reported) is reported  # nothing new, nothing written
    assert store.version == 5


def test_a_stale_version_is_a_conflict() -> None:
    store = make_store()
    first = store.create(DEPLOYMENTS, manifest("a", spec={"replicas": 1}))
    store.replace(DEPLOYMENTS, {**first, "spec": {"replicas": 2}})
    with pytest.raises(StatusError, match="the object has been modified") as conflict:
        store.replace(DEPLOYMENTS, {**first, "spec": {"replicas": 3}})
    assert code_of(conflict) == (409, "Conflict")


def test_names_are_taken_or_unknown() -> None:
    store = make_store()
    store.create(CONFIG_MAPS, manifest("a"))
    with pytest.raises(StatusError) as taken:
        store.create(CONFIG_MAPS, manifest("a"))
    assert code_of(taken) == (409, "AlreadyExists")
    for action in (store.get, store.remove):
        with pytest.raises(StatusError) as absent:
            action(CONFIG_MAPS, "b", "shop")
        assert code_of(absent) == (404, "NotFound")
    with pytest.raises(StatusError, match='namespaces "bank" not found'):
        store.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "bank"}})


def test_a_dry_run_leaves_no_trace() -> None:
    store = make_store()
    store.create(CONFIG_MAPS, manifest("a", data={"x": "1"}))
    before = store.version
    assert store.create(CONFIG_MAPS, manifest("b"), dry_run=True)["metadata"]["uid"]
    changed = store.replace(CONFIG_MAPS, manifest("a", data={"x": "2"}), dry_run=True)
    assert changed["data"] == {"x": "2"}
    assert store.get(CONFIG_MAPS, "a", "shop")["data"] == {"x": "1"}
    assert store.version == before


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abcde"), st.integers(0, 3)), max_size=40
)


def apply(store: ObjectStore, action: str, name: str, value: int) -> None:
    present = store.find(CONFIG_MAPS, name, "shop")
    if action == "remove":
        if present is not None:
            store.remove(CONFIG_MAPS, name, "shop")
    elif present is None:
        store.create(CONFIG_MAPS, manifest(name, data={"x": str(value)}))
    else:
        store.replace(CONFIG_MAPS, manifest(name, data={"x": str(value)}))


@given(CHANGES)
def test_every_past_state_can_be_listed_again(changes: list[tuple[str, str, int]]) -> None:
    store = make_store()
    states = {store.version: store.list_all(CONFIG_MAPS)}
    for change in changes:
        apply(store, *change)
        states[store.version] = store.list_all(CONFIG_MAPS)
    for version, objects in states.items():
        assert store.list_at(CONFIG_MAPS, None, version) == objects


@given(CHANGES)
def test_replaying_the_changes_gives_the_present_state(changes: list[tuple[str, str, int]]) -> None:
    store = make_store()
    for change in changes:
        apply(store, *change)
    replayed: dict[tuple[Resource, tuple[str, str]], Json] = {}
    for event in store.changes_since(0):
        key = (event.resource, event.key)
        assert (event.type == "ADDED") == (key not in replayed)
        assert event.previous == replayed.get(key)
        replayed.pop(key, None)
        if event.type != "DELETED":
            replayed[key] = event.object
    present = {key: each for key, each in replayed.items() if key[0] is CONFIG_MAPS}
    assert sorted(key[1] for key in present) == [object_key(each) for each in store.list_all(CONFIG_MAPS)]
    assert all(each in present.values() for each in store.list_all(CONFIG_MAPS))


def test_a_bounded_history_forgets() -> None:
    store = make_store(history_length=3)
    for value in range(10):
        apply(store, "put", "a", value)
    assert [each.version for each in store.changes_since(store.version - 3)] == [9, 10, 11]
    for forgotten in (store.version - 4, 0):
        with pytest.raises(StatusError, match="too old resource version") as expired:
            store.changes_since(forgotten)
        assert code_of(expired) == (410, "Expired")


@given(st.integers(1, 12), st.integers(1, 5))
def test_pages_show_one_moment_whatever_happens_meanwhile(count: int, limit: int) -> None:
    store = make_store()
    for place in range(count):
        apply(store, "put", f"n{place:02}", 1)
    wanted = store.list_all(CONFIG_MAPS)
    selection = Selection(CONFIG_MAPS)
    listed: list[Json] = []
    token, version = "", store.version
    while True:
        page = list_page(store, selection, limit, token)
        listed += page.items
        assert page.version == version
        assert page.remaining_count == (count - len(listed) if page.continue_token else None)
        if page.continue_token is None:
            break
        token = page.continue_token
        apply(store, "remove", f"n{len(listed):02}", 0)
        apply(store, "put", f"m{len(listed):02}", 2)
    assert listed == wanted


def test_a_page_of_the_forgotten_past_offers_to_go_on_with_the_present() -> None:
    store = make_store(history_length=2)
    for name in "abcd":
        apply(store, "put", name, 1)
    token = list_page(store, Selection(CONFIG_MAPS), 2).continue_token
    for name in "efg":
        apply(store, "put", name, 1)
    with pytest.raises(StatusError, match="too old to display a consistent list") as expired:
        list_page(store, Selection(CONFIG_MAPS), 2, token or "")
    assert code_of(expired) == (410, "Expired")
    rest = list_page(store, Selection(CONFIG_MAPS), 0, expired.value.metadata["continue"])
    assert [each["metadata"]["name"] for each in rest.items] == list("cdefg")


@pytest.mark.parametrize("token", ["nonsense", "eyJ9", "e30", "bnVsbA", "ÿ"])
def test_tokens_of_others_are_refused(token: str) -> None:
    with pytest.raises(StatusError, match="continue key is not valid") as refused:
        list_page(make_store(), Selection(CONFIG_MAPS), 2, token)
    assert refused.value.code == 400
