"""Whether a grader has been held against labels by others: only then is it known how often it errs."""

from importlib.resources import files
from importlib.resources.abc import Traversable

CALIBRATIONS = files("introspect") / "data" / "calibrations"
"""Where the package keeps what came of it: one file a grader, its name with the version, and ``.json``."""


def calibrated(grader: str, folder: Traversable = CALIBRATIONS) -> bool:
    """Return whether there is a calibration of this very version of a grader."""
    return (folder / f"{grader}.json").is_file()
