"""What a grader says that a reply claims."""

from typing import Literal

from introspect.records.base import Reading, Record


class Evidence(Record):
    """A stretch of the reply, by character offsets, and the rule that picked it."""

    rule: str
    start: int
    stop: int
    text: str


class Claim(Record):
    """What a reply says, read by a grader that does not know the concept, the layer, the strength or the arm.

    ``noticed`` is whether the reply claims an injected or unusual thought; ``named`` are the things it names as that
    thought's content; ``order`` is whether the noticing stands before the first naming. ``refuses`` marks a denial of
    having inner states at all. A judge that is a model may also say which of the words ``offered`` is named
    (``matched``; none is an answer) and what ``details`` are claimed; ``unscored`` says why it gave no verdict, and
    then nothing is claimed.
    """

    grader: str
    noticed: Reading
    named: tuple[Evidence, ...] = ()
    order: Literal["noticed_first", "named_first"] | None = None
    coherent: bool
    incoherent_because: str | None = None
    refuses: bool = False
    evidence: tuple[Evidence, ...] = ()
    details: tuple[Literal["checkable", "uncheckable"], ...] = ()
    offered: tuple[str, ...] = ()
    matched: str | None = None
    unscored: str | None = None
