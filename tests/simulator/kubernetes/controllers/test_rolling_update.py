from hypothesis import given
from hypothesis import strategies as st

from kpp.simulator.kubernetes.controllers.rolling_update import (
    Bounds,
    Size,
    plan_recreate,
    plan_rolling_update,
    plan_scaling,
    read_bounds,
)


def make_spec(replicas: int, surge: int | str, unavailable: int | str) -> dict[str, object]:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}


def test_percentages_round_as_the_documentation_says() -> None:
    # https://kubernetes.io/docs/concepts/workloads/controllers/deployment: surge rounds up, unavailable down
    assert read_bounds(make_spec(1, "25%", "25%")) == Bounds(1, 1, 0)
    assert read_bounds(make_spec(10, "25%", "25%")) == Bounds(10, 3, 2)
    assert read_bounds(make_spec(4, "25%", "25%")) == Bounds(4, 1, 1)
    assert read_bounds(make_spec(3, 0, "10%")) == Bounds(3, 0, 1)  # else nothing could move
    assert read_bounds(make_spec(2, 1, 5)) == Bounds(2, 1, 2)


@given(
    wanted=st.integers(0, 12),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    old=st.lists(st.integers(0, 8), max_size=3),
    data=st.data(),
)
def test_a_rolling_update_keeps_its_bounds_and_ends(
    wanted: int, surge: int, unavailable: int, old: list[int], data: st.DataObject
) -> None:
    bounds = read_bounds(make_spec(wanted, surge, unavailable))
    sizes = {f"old-{place}": [count, count] for place, count in enumerate(old)}  # wanted, available
    sizes["new"] = [0, 0]
    most = max(bounds.wanted + bounds.max_surge, sum(old))
    fewest = min(bounds.fewest_available, sum(old))
    for _ in range(500):
        views = {
            name: Size(name, count, available, created_at=name) for name, (count, available) in sizes.items()
        }
        new = views.pop("new")
        plan = plan_rolling_update(bounds, new, list(views.values()))
        for name, count in plan.items():
            assert count >= 0
            sizes[name] = [count, min(sizes[name][1], count)]  # those that are not ready go first
        assert sum(count for count, _ in sizes.values()) <= most
        assert sum(available for _, available in sizes.values()) >= fewest
        waiting = sizes["new"][0] - sizes["new"][1]
        if not plan and not waiting:
            break
        sizes["new"][1] += data.draw(st.integers(min(waiting, 1), waiting))  # some become available
    assert sizes.pop("new") == [wanted, wanted]
    assert all(count == [0, 0] for count in sizes.values())


@given(
    wanted=st.integers(0, 30),
    surge=st.integers(0, 5),
    before=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=4),
)
def test_scaling_amid_a_rollout_gives_everyone_a_share(
    wanted: int, surge: int, before: list[tuple[int, int]]
) -> None:
    bounds = Bounds(wanted, surge, 0)
    total = sum(count for count, _ in before)
    sizes = [
        Size(f"set-{place}", count, min(count, available), str(place), most_before=total or None)
        for place, (count, available) in enumerate(before)
    ]
    new, old = sizes[-1], sizes[:-1]
    plan = plan_scaling(bounds, new, old)
    after = {size.name: plan.get(size.name, size.wanted) for size in sizes}
    active = [size for size in sizes if size.wanted]
    assert all(count >= 0 for count in after.values())
    assert all(after[size.name] == 0 for size in sizes if size not in active and size is not new)
    if new.wanted == wanted == new.available and len(active) > 1:
        assert {name for name, count in after.items() if count} <= {new.name}
    elif len(active) > 1:
        assert sum(after.values()) == bounds.most


def test_scaling_is_in_proportion_as_the_documentation_shows() -> None:
    # the example of "Proportional scaling" there: 10 replicas, maxSurge 3, 8 old and 5 new; scaled to 15,
    # it adds 3 to the old ReplicaSet and 2 to the new one
    bounds = Bounds(wanted=15, max_surge=3, max_unavailable=2)
    old = Size("old", 8, 8, "1", most_before=13)
    new = Size("new", 5, 0, "2", most_before=13)
    assert plan_scaling(bounds, new, [old]) == {"old": 11, "new": 7}


def test_recreate_stops_everything_before_it_starts_anything() -> None:
    old, new = Size("old", 3, 3, "1"), Size("new", 0, 0, "2")
    assert plan_recreate(3, new, [old], old_pods_are_gone=False) == {"old": 0}
    stopped = Size("old", 0, 0, "1")
    assert plan_recreate(3, new, [stopped], old_pods_are_gone=False) == {}
    assert plan_recreate(3, new, [stopped], old_pods_are_gone=True) == {"new": 3}
