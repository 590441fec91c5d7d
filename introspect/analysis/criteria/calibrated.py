"""Whether a grader has been held against labels by others: only then is it known how often it errs."""

from importlib.resources import files
from importlib.resources.abc import Traversable

CALIBRATIONS = files("introspect") / "data" / "calibration"
"""Where the package keeps what came of it, beside the labels, under the name that ``introspect calibrate`` gives: the
grader with its version, and ``.calibration.json``."""


def calibrated(grader: str, folder: Traversable = CALIBRATIONS) -> bool:
    """Return whether there is a calibration of this very version of a grader."""
    return (folder / f"{grader}.calibration.json").is_file()
