"""Each learned model against a law that it must recover, or against another implementation."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.neural_network import MLPRegressor

from kpp.schema import CPU_USAGE, REPLICAS, RESPONSE_TIME, SERVICE, SOURCE, THROUGHPUT, TIMESTAMP, USER_COUNT
from kpp.whatif.model import Campaign
from kpp.whatif.models.boosting import DEPTH, Forest
from kpp.whatif.models.neural_network import Network
from kpp.whatif.registry import make_model
from kpp.whatif.scenario import complete


def campaign(**columns: list[float]) -> Campaign:
    """One service, one minute at each load; targets that are not given were not measured."""
    rows = pd.DataFrame({RESPONSE_TIME: np.nan, THROUGHPUT: np.nan, CPU_USAGE: np.nan} | columns)
    rows[TIMESTAMP] = 60.0 * np.arange(len(rows))
    return Campaign(rows.assign(**{SERVICE: "a", SOURCE: "test.csv"}))


def ask(name: str, learned: Campaign, **columns: list[float]) -> pd.DataFrame:
    model = make_model(name)
    model.fit(learned)
    return model.predict(complete(pd.DataFrame(columns).assign(**{SERVICE: "a"})))


USERS = [10.0, 20.0, 40.0, 80.0]


def test_the_nearest_load_is_nearest_by_ratio() -> None:
    learned = campaign(**{USER_COUNT: USERS, RESPONSE_TIME: [1.0, 2.0, 3.0, 4.0]})

    found = ask("nearest", learned, **{USER_COUNT: [1.0, 14.0, 15.0, 58.0, 900.0]})

    assert found[RESPONSE_TIME].tolist() == [1.0, 1.0, 2.0, 4.0, 4.0]  # sqrt(10 x 20) = 14.1
    assert found[THROUGHPUT].isna().all()


def test_the_nearest_load_is_that_where_the_target_was_measured() -> None:
    learned = campaign(**{USER_COUNT: USERS, RESPONSE_TIME: [1.0, np.nan, 3.0, 4.0]})

    assert ask("nearest", learned, **{USER_COUNT: [19.0, 30.0]})[RESPONSE_TIME].tolist() == [1.0, 3.0]


def test_the_nearest_layout_counts_too() -> None:
    learned = campaign(
        **{USER_COUNT: [10.0, 20.0, 20.0], REPLICAS: [1.0, 1.0, 4.0], RESPONSE_TIME: [1.0, 2.0, 3.0]}
    )

    found = ask("nearest", learned, **{USER_COUNT: [20.0, 20.0], REPLICAS: [2.0, 3.0]})

    assert found[RESPONSE_TIME].tolist() == [2.0, 3.0]


def test_a_line_in_users_and_replicas_is_recovered() -> None:
    users, replicas = np.array([10.0, 20.0, 40.0, 80.0, 30.0]), np.array([1.0, 2.0, 1.0, 3.0, 2.0])
    learned = campaign(
        **{
            USER_COUNT: users.tolist(),
            REPLICAS: replicas.tolist(),
            CPU_USAGE: (0.1 + 0.02 * users + 0.3 * replicas).tolist(),
        }
    )

    found = ask("linear", learned, **{USER_COUNT: [500.0], REPLICAS: [9.0]})

    assert found[CPU_USAGE].iloc[0] == pytest.approx(0.1 + 0.02 * 500 + 0.3 * 9)


def test_lines_have_the_least_relative_squares() -> None:
    values = np.array([1.0, 3.0, 3.5, 9.0])
    learned = campaign(**{USER_COUNT: USERS, CPU_USAGE: values.tolist()})

    found = ask("linear", learned, **{USER_COUNT: USERS})[CPU_USAGE].to_numpy()

    def loss(line: np.ndarray) -> float:
        return float((((line[0] + line[1] * np.array(USERS)) / values - 1) ** 2).sum())

    best = minimize(loss, [0.0, 0.1], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun
    assert ((found / values - 1) ** 2).sum() == pytest.approx(best, rel=1e-5)


def test_a_power_law_is_recovered() -> None:
    learned = campaign(**{USER_COUNT: USERS, THROUGHPUT: [0.3 * users**0.8 for users in USERS]})

    found = ask("log-linear", learned, **{USER_COUNT: [1.0, 1000.0]})

    assert found[THROUGHPUT].tolist() == pytest.approx([0.3, 0.3 * 1000**0.8])


@pytest.mark.parametrize("name", ["linear", "log-linear"])
def test_one_load_makes_a_constant(name: str) -> None:
    learned = campaign(**{USER_COUNT: [50.0], CPU_USAGE: [0.4]})

    assert ask(name, learned, **{USER_COUNT: [5.0, 500.0]})[CPU_USAGE].tolist() == pytest.approx([0.4, 0.4])


def test_the_parameters_of_the_scalability_law_are_recovered() -> None:
    rate, contention, coherency = 2.0, 0.05, 0.0004

    def law(users: float) -> float:
        return rate * users / (1 + contention * (users - 1) + coherency * users * (users - 1))

    learned = campaign(**{USER_COUNT: USERS, THROUGHPUT: [law(users) for users in USERS]})

    found = ask("usl", learned, **{USER_COUNT: [1.0, 49.0, 700.0]})

    assert found[THROUGHPUT].tolist() == pytest.approx([law(1), law(49), law(700)])


def test_the_scalability_model_keeps_the_utilization_law() -> None:
    replicas = np.array([1.0, 2.0, 3.0, 3.0])
    rps = np.array(USERS) / 2
    learned = campaign(
        **{
            USER_COUNT: USERS,
            REPLICAS: replicas.tolist(),
            THROUGHPUT: rps.tolist(),
            CPU_USAGE: (0.02 * replicas + 0.005 * rps).tolist(),
        }
    )

    found = ask("usl", learned, **{USER_COUNT: [400.0], REPLICAS: [10.0]})

    assert found[THROUGHPUT].iloc[0] == pytest.approx(200)
    assert found[CPU_USAGE].iloc[0] == pytest.approx(0.2 + 1.0)


def test_a_forest_predicts_what_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    inputs, values = rng.uniform(1, 100, (80, 3)), rng.normal(0, 1, 80)
    regressor = GradientBoostingRegressor(n_estimators=30, max_depth=DEPTH, random_state=0).fit(
        inputs, values
    )
    asked = np.vstack([rng.uniform(-20, 150, (500, 3)), inputs])

    forest = Forest.restore(Forest.of(regressor).dump())

    np.testing.assert_allclose(forest.predict(asked), regressor.predict(asked), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_predicts_what_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    inputs, values = rng.normal(0, 1, (60, 2)), rng.normal(0, 1, (60, 3))
    trained = MLPRegressor(
        hidden_layer_sizes=(7, 5),
        activation="tanh",
        solver="lbfgs",
        max_iter=20,
        random_state=0,
    ).fit(inputs, values)
    layers = zip(trained.coefs_, trained.intercepts_, strict=True)
    network = Network(
        ("x", "y"),
        input_scale=np.array([[0.0, 0.0], [1.0, 1.0]]),
        output_scale=np.array([[0.0] * 3, [1.0] * 3]),
        weights=tuple(np.vstack([weights, bias]) for weights, bias in layers),
    )

    found = network.predict(np.exp(inputs))

    np.testing.assert_allclose(found, np.exp(trained.predict(inputs)), rtol=1e-9)


@pytest.mark.parametrize(("name", "tolerance"), [("boosting", 0.05), ("neural-network", 0.05)])
def test_a_curve_is_followed_within_the_data(name: str, tolerance: float) -> None:
    users = np.arange(10.0, 110.0)

    def law(count: np.ndarray) -> np.ndarray:
        return np.asarray(0.01 / (1 - count / 150))

    learned = campaign(**{USER_COUNT: users.tolist(), RESPONSE_TIME: law(users).tolist()})
    asked = np.arange(15.5, 100.0, 3.0)

    found = ask(name, learned, **{USER_COUNT: asked.tolist()})

    np.testing.assert_allclose(found[RESPONSE_TIME], law(asked), rtol=tolerance)


def test_another_seed_makes_another_network() -> None:
    learned = campaign(**{USER_COUNT: USERS, RESPONSE_TIME: [1.0, 1.2, 1.1, 4.0]})
    asked = complete(pd.DataFrame({SERVICE: ["a"], USER_COUNT: [300.0]}))

    def predict(seed: int) -> float:
        model = make_model("neural-network", seed)
        model.fit(learned)
        return float(model.predict(asked)[RESPONSE_TIME].iloc[0])

    assert predict(0) == predict(0)
    assert predict(0) != predict(1)
