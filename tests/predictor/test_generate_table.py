import re
import subprocess
import sys
from pathlib import Path

import pytest

from kpp.predictor.generate_table import mean_of, mean_score, render_table, summarize
from kpp.predictor.model_config import ModelConfig
from kpp.schema import CPU_USAGE, RESPONSE_TIME, THROUGHPUT
from tests.predictor.configs import make_comparison, make_config

SCRIPT = Path(__file__).parents[2] / "kpp" / "predictor" / "generate_table.py"


def tables_of(markdown: str) -> list[list[list[str]]]:
    """The cells of each table, without the rule below the header."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", markdown, re.MULTILINE)
    rows = [[line.strip("|").split("|") for line in block.splitlines()] for block in blocks]
    return [[[cell.strip() for cell in row] for row in block if "--" not in row[0]] for block in rows]


@pytest.fixture
def configs() -> list[ModelConfig]:
    other = {
        RESPONSE_TIME: make_comparison((0.0321, 0.049), (0.01, 0.2), (0.1, 0.5)),
        THROUGHPUT: make_comparison((2.5, 0.04), (1.5, 0.05), (0.5, 0.03)),
        CPU_USAGE: make_comparison((None, None), (None, None), (None, None)),
    }
    return [make_config("frontend"), make_config("productcatalogservice", scores=other, normalized=(3, 4, 5))]


def test_the_first_table_is_the_rmse_in_normalized_units(configs: list[ModelConfig]) -> None:
    assert tables_of(render_table(configs))[0] == [
        ["Service", "GRU", "last", "mean"],
        ["frontend", "1.00", "2.00", "3.00"],
        ["productcatalogservice", "3.00", "4.00", "5.00"],
        ["**mean of services**", "2.00", "3.00", "4.00"],
    ]


def test_each_target_has_a_table_in_its_own_unit_with_the_mean_last(configs: list[ModelConfig]) -> None:
    text = render_table(configs)
    _, response_time, throughput, cpu, _ = tables_of(text)

    assert re.findall(r"^### (.*)$", text, re.MULTILINE)[1:4] == [
        "Response time: RMSE in ms, MAPE in %",
        "Throughput: RMSE in req/s, MAPE in %",
        "CPU usage: RMSE in millicores, MAPE in %",
    ]
    assert response_time == [
        ["Service", "RMSE GRU", "last", "mean", "MAPE GRU", "last", "mean"],
        ["frontend", "12.3", "23.4", "34.5", "5.10", "10.2", "150"],
        ["productcatalogservice", "32.1", "10.0", "100", "4.90", "20.0", "50.0"],
        ["**mean of services**", "22.2", "16.7", "67.2", "5.00", "15.1", "100"],
    ]
    assert throughput[-1] == ["**mean of services**", "2.00", "2.00", "2.00", "3.00", "4.00", "2.00"]
    # what cannot be scored is no 0, and does not enter the mean
    assert cpu[2] == ["productcatalogservice", *["-"] * 6]
    assert cpu[3] == ["**mean of services**", "4.10", "5.20", "6.30", "11.0", "10.0", "12.0"]


def test_the_last_table_names_the_best_at_each_target(configs: list[ModelConfig]) -> None:
    assert tables_of(render_table(configs))[-1] == [
        ["Target", "GRU", "last", "mean", "best"],
        ["Response time", "5.00", "15.1", "100", "GRU"],
        ["Throughput", "3.00", "4.00", "2.00", "mean"],
        ["CPU usage", "11.0", "10.0", "12.0", "last"],
    ]


def test_it_fits_80_columns_and_its_columns_are_even(configs: list[ModelConfig]) -> None:
    text = render_table(configs)

    assert max(map(len, text.splitlines())) <= 80
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        bars = {tuple(match.start() for match in re.finditer(r"\|", line)) for line in block.splitlines()}
        assert len(bars) == 1


def test_many_digits_still_fit_80_columns() -> None:
    awkward = make_comparison((0.000_000_123, 0.000_123), (987.654, 9.876), (123.456, 987.6))
    scores = dict.fromkeys((RESPONSE_TIME, THROUGHPUT, CPU_USAGE), awkward)

    text = render_table([make_config("currencyservice", scores=scores, normalized=(0.000_01, 19876.5, 3))])

    assert max(map(len, text.splitlines())) <= 80
    assert "e-" not in text
    assert "e+" not in text


def test_a_long_name_widens_the_table_and_nothing_breaks() -> None:
    name = "x" * 63

    assert tables_of(render_table([make_config(name)]))[1][1][0] == name


def test_a_service_without_any_score_is_in_the_table() -> None:
    nothing = make_comparison((None, None), (None, None), (None, None))
    scores = dict.fromkeys((RESPONSE_TIME, THROUGHPUT, CPU_USAGE), nothing)

    text = render_table([make_config("cart", scores=scores, normalized=(None, None, None))])

    assert tables_of(text)[0][1:] == [["cart", "-", "-", "-"], ["**mean of services**", "-", "-", "-"]]
    assert tables_of(text)[-1][1] == ["Response time", "-", "-", "-", "-"]


def test_the_summary_holds_ratios_and_own_units(configs: list[ModelConfig]) -> None:
    summary = summarize(configs)

    frontend, catalog = summary["services"]
    assert frontend["service"] == "frontend"
    assert frontend["scores"][RESPONSE_TIME]["model"]["rmse"] == 0.0123
    assert frontend["scores"][RESPONSE_TIME]["training_mean"]["mape"] == 1.5
    assert frontend["best_test_loss"] == 1
    assert catalog["scores"][CPU_USAGE]["model"] == {"rmse": None, "mae": None, "mape": None, "wape": None}
    assert summary["mean"]["scores"][RESPONSE_TIME]["model"]["mape"] == pytest.approx(0.05)
    assert summary["mean"]["normalized_rmse"] == {"model": 2, "last_observed": 3, "training_mean": 4}


def test_means_leave_out_what_is_unknown(configs: list[ModelConfig]) -> None:
    assert mean_of([1.0, None, 3.0]) == 2.0
    assert mean_of([None]) is None
    assert mean_score(configs, CPU_USAGE, "model", "rmse") == 0.0041


def test_the_table_is_printed_without_torch_and_scikit_learn() -> None:
    code = (
        "import sys\nimport kpp.predictor.generate_table\n"
        "print(sorted({'torch', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


def test_the_script_is_the_command(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT, "--models", tmp_path], capture_output=True, text=True, check=False
    )

    assert result.returncode == 3
    assert result.stderr == (
        f"kpp: {tmp_path}: holds no trained models; "
        "train some with `kpp train`, or name another folder with --models\n"
    )
