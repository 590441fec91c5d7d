"""What is read off a question beside its reply: yes against no, the rank of the word, the stream under every token."""

from typing import Any

from introspect.errors import PlanError
from introspect.lab.session import SIDES, Pair, Session
from introspect.protocols.materials import Materials, option_tokens
from introspect.protocols.trials import request
from introspect.records import Projection, TrialSpec
from introspect.subjects.subject import Query
from introspect.sweeps.replay import project

YES_NO = ("yes", "no")
DIGITS = 4


def first_token(session: Session, pair: Pair) -> dict[str, dict[str, float | int | None]]:
    """Read the first token of the reply, with the vector and without.

    Returns:
        By side: ``logodds`` of yes against no, in nats, with the probability ``mass`` of both together (where it is
        small, the log-odds say little), and ``rank``, the best one of the tokens with which the concept's word can
        begin (1 is the most probable). What the tokenizer cannot tell apart, or a concept without a word, is ``None``.
    """
    materials, concept = session.materials(pair), pair.specs[0].concept or ""
    options = _options(session)
    words = () if session.concepts.get(concept).unnamed else tuple(sorted(session.subject.chat.first_tokens(concept)))
    found = session.subject.score([_query(spec, materials, options, words) for spec in pair.specs])
    return {
        side: {
            "logodds": round(float(each.option_logprobs[0] - each.option_logprobs[1]), DIGITS) if options else None,
            "mass": round(each.option_mass, DIGITS + 2) if options else None,
            "rank": int(each.ranks.min()) if words else None,
        }
        for side, each in zip(SIDES, found, strict=True)
    }


def _query(
    spec: TrialSpec, materials: Materials, options: tuple[tuple[int, ...], ...], words: tuple[int, ...]
) -> Query:
    asked = request(spec, materials)
    return Query(asked.prompt, asked.injections, options=options, words=words)


def _options(session: Session) -> tuple[tuple[int, ...], ...]:
    try:
        return option_tokens(session.subject, YES_NO)
    except PlanError:
        return ()


def projected(session: Session, pair: Pair) -> Projection | None:
    """Read the stream under every token of the trial with the vector, at every layer."""
    return project(pair.trials[0], session.materials(pair))


def told(found: dict[str, dict[str, Any]], concept: str) -> list[list[str]]:
    """Return what was read as a table: what it is, with the vector, without it."""
    rows = [
        ["log-odds of yes against no, in nats", *(_number(found[side]["logodds"]) for side in SIDES)],
        ["probability of yes and no together", *(_number(found[side]["mass"]) for side in SIDES)],
        [f"rank of “{concept}” in the first token", *(_count(found[side]["rank"]) for side in SIDES)],
    ]
    return [row for row in rows if row[1]]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}".replace("-", "−")


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
