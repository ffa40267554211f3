import pytest

from kpp.errors import InputError
from kpp.schema import THROUGHPUT
from kpp.whatif.fitting import fit_models
from kpp.whatif.model import Campaign
from tests.whatif.systems import make_system


def test_each_name_is_reported_before_it_is_fitted() -> None:
    told: list[str] = []

    fitted = fit_models(make_system(minutes=2), ["linear", "nearest"], 0, told.append)

    assert told == list(fitted.models) == ["linear", "nearest"]
    assert not fitted.skipped


def test_a_model_that_cannot_be_fitted_is_skipped_with_the_reason() -> None:
    rows = make_system(minutes=2).measurements.assign(**{THROUGHPUT: float("nan")})

    fitted = fit_models(Campaign(rows), ["queueing", "nearest"], 0, lambda _: None)

    assert list(fitted.models) == ["nearest"]
    assert "throughput" in fitted.skipped["queueing"]


def test_when_none_can_be_fitted_all_reasons_are_told() -> None:
    rows = make_system(minutes=2).measurements.assign(**{THROUGHPUT: float("nan")})

    with pytest.raises(InputError, match=r"no model can be fitted: queueing: .*hybrid: "):
        fit_models(Campaign(rows), ["queueing", "hybrid"], 0, lambda _: None)
