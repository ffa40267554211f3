import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity as client_parse_quantity

from kpp.simulator.kubernetes.objects.quantities import (
    QuantityError,
    canonical_quantity,
    parse_quantity,
)
from tests.real_parts import require

QUANTITIES = st.builds(
    lambda whole, fraction, suffix: f"{whole}{fraction}{suffix}",
    st.integers(0, 99999),
    st.sampled_from(["", ".5", ".25", ".001", ".1"]),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3", "e6"]),
)


@given(QUANTITIES)
def test_values_are_those_of_the_python_client(text: str) -> None:
    exact = float(client_parse_quantity(text))
    assert float(parse_quantity(text)) == pytest.approx(exact, rel=1e-12, abs=1e-9)  # ours rounds up to nano


@settings(max_examples=4, deadline=None)
@given(st.lists(QUANTITIES, min_size=60, max_size=60))
def test_the_one_form_is_that_of_the_real_code(texts: list[str]) -> None:
    containers = [
        {"name": f"c{place}", "image": "i", "resources": {"limits": {"memory": text}}}
        for place, text in enumerate(texts)
    ]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    run = subprocess.run(
        [require("kubectl"), "set", "env", "--local", "-f", "-", "-o", "json", "X=1"],
        input=json.dumps(deployment),
        capture_output=True,
        text=True,
        check=True,
    )
    decoded = json.loads(run.stdout)["spec"]["template"]["spec"]["containers"]
    real = [each["resources"]["limits"]["memory"] for each in decoded]
    assert [canonical_quantity(text) for text in texts] == real


@pytest.mark.parametrize(
    "value", ["", "abc", "1 m", "1mm", "--1", "1e", "e3", "1Ei5", True, None, [1], "0x1"]
)
def test_what_is_no_quantity_is_refused(value: object) -> None:
    with pytest.raises(QuantityError, match="quantities must match the regular expression"):
        canonical_quantity(value)
