"""How many rows at a time: found by trying, on the requests that are to be run, and within what memory allows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import torch

from introspect.subjects.engine.flight import LINES, Flight
from introspect.subjects.engine.memory import rows_that_fit
from introspect.subjects.engine.passes import rounded
from introspect.subjects.engine.prefixes import Prefixes, n_shared
from introspect.subjects.engine.rows import Ending
from introspect.subjects.engine.runner import Runner
from introspect.subjects.subject import Request

WIDTHS = (16, 32, 64, 128, 256, 512)
WITHOUT_TRYING = 64
"""Rows that a short run gets; more rarely pay for the trial."""
WORTH_TRYING = 512
"""Requests from which finding the best width takes a small part of the whole."""
GAIN = 1.08
"""More rows are taken only where they give so much more; they take memory, and wait longer for their first token."""
STEPS = 4
ALIKE = 0.25
"""Share by which the longest rows of two runs may differ for the number that is best in one to be taken in both."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a few rows took: seconds a row until its first token, and seconds a step of all of them."""

    rows: int
    prefill: float
    step: float

    def seconds(self, n_requests: int, n_tokens: int) -> float:
        """Extrapolate to replies of full length, every row in use."""
        return n_requests * (self.prefill + self.step / self.rows * (n_tokens - 1))


@torch.inference_mode()
def timed(runner: Runner, prefixes: Prefixes, ending: Ending, requests: Sequence[Request], width: int) -> Timing:
    """Run the first ``width`` requests for a few tokens."""
    short = [replace(request, max_new_tokens=STEPS + 1) for request in requests[:width]]
    for request in short:
        prefixes.get(request.prompt.ids[: n_shared(request)])
    begun = perf_counter()
    flight = Flight(runner, prefixes, ending, short, width)
    n = len(list(flight))
    whole = perf_counter() - begun
    steps = [seconds for _, seconds in flight.steps]
    return Timing(n, (whole - sum(steps)) / n, median(steps) if steps else 0.0)


def width_for(  # noqa: PLR0913 - the model, what is to be run, and what is known
    runner: Runner,
    prefixes: Prefixes,
    ending: Ending,
    requests: Sequence[Request],
    n_requests: int,
    bytes_per_token: int,
    known: dict[int, int],
) -> int:
    """Return how many rows to run at a time.

    Args:
        runner: The model.
        prefixes: Its prefixes.
        ending: When replies end.
        requests: Some of what is to be run, as many as the widest try or all.
        n_requests: How many there are in all.
        bytes_per_token: What a row keeps of each of its own tokens.
        known: What was found by trying before, by the tokens of the longest row; what is found now is added.
    """
    longest = max(len(r.prompt.ids) - n_shared(r) + r.max_new_tokens for r in requests)
    most = rows_that_fit(bytes_per_token * longest, runner.device) or WIDTHS[-1]
    most = max(1, min(most, rounded(n_requests, LINES)))
    if n_requests < WORTH_TRYING or most < WIDTHS[0]:
        return min(WITHOUT_TRYING, most)
    if near := [width for length, width in known.items() if abs(length - longest) <= ALIKE * longest]:
        return min(near[0], most)
    best, rate = 0, 0.0
    for width in (width for width in WIDTHS if width <= min(most, len(requests)) and 4 * width <= n_requests):
        timing = timed(runner, prefixes, ending, requests, width)
        now = timing.rows / timing.step if timing.step else 0.0
        if best and now < GAIN * rate:
            known[longest] = best  # where more rows were not tried, nothing is known of longer runs
            return best
        best, rate = width, now
    return best or min(WITHOUT_TRYING, most)
