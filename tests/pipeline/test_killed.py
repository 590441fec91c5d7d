"""A run that is killed at any moment, also inside a write, loses no trial that was written and runs none twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torture

MOMENTS = int(os.environ.get("TORTURE_MOMENTS", "5"))
KILLING = Path(__file__).parents[1] / "support" / "killing.py"


def test_a_run_killed_at_random_moments_and_inside_writes_ends_with_the_trials_of_an_unbroken_one(plan_file, tmp_path):
    arguments = [sys.executable, KILLING, plan_file, tmp_path, str(MOMENTS), os.environ.get("TORTURE_SEED", "1")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(json.dumps(found))  # noqa: T201 - shown with pytest -s, and in the log of make torture
    assert found["wrong"] == []
    assert found["n_trials"] == 54
    assert sum(found["moments"].values()) >= MOMENTS
    assert {"SIGKILL", "SIGXFSZ"} <= set(found["moments"]) or MOMENTS < 5
    assert found["runs"] >= 1
