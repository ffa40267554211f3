"""Programs that some tests talk to for real: without one a test is skipped, or fails where CI says so."""

import os
import shutil
from pathlib import Path

import pytest

REQUIRE_VARIABLE = "KPP_REQUIRE_REAL_PARTS"
DEBIAN_PACKAGES = {"prometheus": "prometheus", "promtool": "prometheus", "kubectl": "kubernetes-client"}


def require(program: str) -> Path:
    """Find a program, or skip the test; with `KPP_REQUIRE_REAL_PARTS` set, fail it."""
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    package = DEBIAN_PACKAGES.get(program, program)
    reason = f"there is no {program} here (Debian: apt-get install {package})"
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(f"{reason}, and {REQUIRE_VARIABLE} is set")
    pytest.skip(reason)
