"""kpp.predictor.skipped."""

from kpp.predictor.skipped import NAMED, group_by_reason


def test_a_reason_is_told_once_however_many_services_have_it() -> None:
    names = [f"service-{number}" for number in range(NAMED + 988)]

    ((services, reason),) = group_by_reason(dict.fromkeys(names, "too few rows"))

    assert reason == "too few rows"
    assert services == ", ".join(names[:NAMED]) + " and 988 more"


def test_each_reason_is_told() -> None:
    told = dict(group_by_reason({"ad": "too few rows", "cart": "no values", "web": "too few rows"}))

    assert told == {"ad, web": "too few rows", "cart": "no values"}
