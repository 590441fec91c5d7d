"""Rates of every arm apart, with standard errors over concepts: hits never mix with false alarms."""

from collections.abc import Mapping

from inspect_ai.scorer import Metric, MetricProtocol, SampleScore, Value, mean, metric, stderr

NAMES: Mapping[str, str] = {"concept": "hits", "none": "false_alarms"}
"""What a rate is called in the two arms that decide; the other arms keep their names."""


@metric
def by_arm() -> MetricProtocol:
    """Every arm's rate or mean, and its standard error.

    Errors are clustered by concept: a concept's trials share its vector. Trials without injection that are about no
    concept are clustered by what varies between them, the lead-in or the prompt.
    """

    def measure(scores: list[SampleScore]) -> Value:
        return arm_rates(scores)

    return measure


def arm_rates(scores: list[SampleScore]) -> dict[str, float]:
    """Return ``hits``, ``hits_stderr``, ``false_alarms`` and so on, arms in the order in which they come.

    An arm of one cluster has no standard error.
    """
    arms: dict[str, list[SampleScore]] = {}
    for score in scores:
        arms.setdefault(str(_of(score, "arm")), []).append(score)
    found: dict[str, float] = {}
    for arm, members in arms.items():
        name = NAMES.get(arm, arm)
        cluster = "concept" if all(_of(score, "concept") for score in members) else "unit"
        found[name] = _number(mean(), members)
        if len({_of(score, cluster) for score in members}) > 1:
            found[f"{name}_stderr"] = _number(stderr(cluster=cluster), members)
    return found


def _of(score: SampleScore, name: str) -> object:
    """Return a field of the sample's metadata, which every sample of ours has."""
    assert score.sample_metadata is not None
    return score.sample_metadata[name]


def _number(measure: Metric, scores: list[SampleScore]) -> float:
    assert isinstance(measure, MetricProtocol)
    value = measure(scores)
    assert isinstance(value, int | float)
    return float(value)
