"""Whether a grader has been held against labels by others: only then is it known how often it errs."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from introspect.analysis.calibration import Calibration, read_calibration

CALIBRATIONS = files("introspect") / "data" / "calibration"
"""Where the package keeps what came of it, beside the labels, under the name that ``introspect calibrate`` gives: the
grader with its version, and ``.calibration.json``."""


def known_calibration(grader: str, folder: Traversable = CALIBRATIONS) -> Calibration | None:
    """Return the calibration of this very version of a grader that comes with the package, if there is one.

    Raises:
        LabelError: The file is damaged.
    """
    file = folder / f"{grader}.calibration.json"
    return read_calibration(file) if file.is_file() else None
