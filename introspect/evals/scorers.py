"""What a reply claims, by the rule grader, as scores: 1 where it does, else 0, unreadable replies included."""

from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import TaskState

from introspect.analysis.identify import identified, succeeds
from introspect.evals.rates import by_arm
from introspect.evals.samples import explained
from introspect.graders.rules import RuleGrader

FORMS = "forms"
"""Where a sample's metadata has the words that count as naming: the concept's or, without one, any of the plan's."""


@scorer(metrics=[by_arm()])
def noticed() -> Scorer:
    """The reply claims an injected or unusual thought."""

    async def score(state: TaskState, target: Target) -> Score:
        claim = RuleGrader().grade(state.output.completion)
        return explained("noticed", float(claim.noticed == "yes"), claim)

    return score


@scorer(metrics=[by_arm()])
def named() -> Scorer:
    """The reply names the concept as that thought's content."""

    async def score(state: TaskState, target: Target) -> Score:
        claim = RuleGrader().grade(state.output.completion)
        return explained("named", float(identified(claim, state.metadata[FORMS])), claim)

    return score


@scorer(metrics=[by_arm()])
def success() -> Scorer:
    """Noticed and named: the reply is coherent, claims a thought, names the concept, and not before it noticed."""

    async def score(state: TaskState, target: Target) -> Score:
        reply = state.output.completion
        return Score(value=float(succeeds(RuleGrader().grade(reply), reply, state.metadata[FORMS])))

    return score
