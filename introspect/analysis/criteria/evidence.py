"""What the criteria are judged on: the trials of one setting, as rows that say what was done and what was said."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from introspect.analysis.naming import first_named
from introspect.words import matches

PARTS: Mapping[tuple[str, str], str] = {
    ("injected_thought", "report"): "report",
    ("injected_thought", "other"): "other",
    ("injected_thought", "name"): "name",
    ("yes_no", "detection"): "detection",
    ("yes_no", "question"): "question",
    ("yes_no", "third_person"): "third_person",
    ("vector_by_text", "report"): "crossing",
    ("unprompted", "summarise"): "elsewhere",
    ("unprompted", "translate"): "elsewhere",
    ("unprompted", "continue"): "elsewhere",
    ("steer_then_remove", "detect"): "earlier",
    ("identification", "codes"): "codes",
    ("injected_thought", "choice"): "choice",
}
"""What is looked at, by experiment and task."""
CONTINUED = "continued"
"""The part, and the arm, of replies that go on without the vector."""
RESUMED = "resumed"
"""The same of replies that go on with it, where replies are drawn: what another draw would have said."""
GONE_ON = (CONTINUED, RESUMED)
READ_BY = "read_by"
"""In the name of a run in which another model goes on, between the experiment's name and the model's."""


def part_of(protocol: str, task: str) -> str | None:
    """Return what the trials of an experiment and a task are to the criteria, ``None`` if nothing."""
    return PARTS.get((protocol, task.partition("/")[0]))


@dataclass(frozen=True, slots=True)
class Row:
    """One trial.

    Attributes:
        part: What it is to the criteria.
        key: The trial's.
        follows: The trial whose reply it goes on with.
        arm: What was injected.
        concept: What the trial is about.
        wording: Of the prompt.
        prompt: The prompt's id; ``None`` where trials are not paired prompt by prompt.
        named: The first thing named: a concept's name, or other words; ``None`` where nothing is.
        noticed: ``yes``, ``no`` or ``unreadable``; ``None`` where nothing was said.
        logodds: Of yes, in nats.
        answer: The likeliest of the answers on offer.
        leaks: Whether the trial's concept stands in the reply.
        mass: Probability of all answers on offer together.
        item: What was put into its prompt: a lead-in, a note, a paragraph.
    """

    part: str
    key: str
    follows: str | None
    arm: str
    concept: str | None
    wording: str
    task: str
    prompt: str | None
    named: str | None
    noticed: str | None
    logodds: float | None
    answer: str | None
    leaks: bool | None
    mass: float | None = None
    item: str | None = None

    @property
    def unreadable(self) -> bool:
        """Whether the reply cannot be read."""
        return self.noticed == "unreadable"


@dataclass(frozen=True)
class Evidence:
    """All rows of one setting; ``questions`` are the yes–no trials as outcomes, for the control line.

    ``known`` are the names of all concepts of the plan, which are on offer where a name is chosen in one pass (but for
    the few that share a first token with another); where it is empty every name is taken to be.
    """

    rows: tuple[Row, ...]
    questions: pl.DataFrame
    known: frozenset[str] = frozenset()

    def offers(self, name: str | None) -> bool:
        """Whether a name, if there is one, is among those that could be chosen in one pass."""
        return name is None or not self.known or name in self.known

    @cached_property
    def _parts(self) -> Mapping[tuple[str, str], tuple[Row, ...]]:
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.part, row.arm), []).append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @cached_property
    def _owned(self) -> Mapping[tuple[str, str], Mapping[str, list[Row]]]:
        return {key: by_concept(rows) for key, rows in self._parts.items()}

    @cached_property
    def reported(self) -> Mapping[str, str]:
        """What is named most often under each concept's vector, in replies that can be read.

        Concepts under which nothing is named are left out.
        """
        found: dict[str, str] = {}
        for concept, rows in self.owned("report").items():
            counted = Counter(row.named for row in rows if row.named is not None and not row.unreadable)
            if counted:
                found[concept] = min(counted, key=lambda name: (-counted[name], name))
        return found

    @cached_property
    def unread(self) -> frozenset[str]:
        """The concepts of which no report can be read."""
        return frozenset(c for c, rows in self.owned("report").items() if all(row.unreadable for row in rows))

    @cached_property
    def replies(self) -> Mapping[str, Row]:
        """The rows by key."""
        return {row.key: row for row in self.rows}

    def of(self, part: str, arm: str = "concept") -> tuple[Row, ...]:
        """Return the rows of a part and arm."""
        return self._parts.get((part, arm), ())

    def owned(self, part: str, arm: str = "concept") -> Mapping[str, list[Row]]:
        """Return the rows of a part and arm by their concept, those about none left out."""
        return self._owned.get((part, arm), {})

    def going_on(self, part: str) -> dict[str, Row]:
        """Return the rows that go on with a reply, without the vector or with it, by the key of what they follow."""
        return {row.follows: row for row in self.of(part, part) if row.follows}

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """The concepts that are injected and asked about."""
        return tuple(sorted({row.concept for row in self.of("report") if row.concept}))


def by_concept(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return rows by their concept, those about none left out."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.concept is not None:
            found.setdefault(row.concept, []).append(row)
    return found


def evidence(
    frames: Sequence[pl.DataFrame], concepts: Mapping[str, Sequence[str]], follows: Mapping[str, str]
) -> Evidence:
    """Put outcomes of several experiments together; a trial that two of them have counts once.

    Args:
        frames: Outcomes at one layer, strength and span, with those of the arms without injection.
        concepts: Every form of every concept, by name.
        follows: For replies that go on without the vector, the trial they follow.
    """
    frames = [once(pl.concat(frames))] if frames else []
    texts = {text for frame in frames for text in frame["named_text"].unique().to_list()}
    firsts = {text: first_named(text, concepts) for text in texts}  # every distinct text is read once
    rows = [
        row
        for frame in frames
        for values in frame.iter_rows(named=True)
        for row in _row(values, concepts, follows, firsts)
    ]
    questions = frames[0].filter(pl.col("protocol") == "yes_no") if frames else pl.DataFrame()
    return Evidence(tuple(rows), questions, frozenset(concepts))


def once(frame: pl.DataFrame) -> pl.DataFrame:
    """Return every trial once: experiments of a study that ask the same have the same trials, reply for reply."""
    return frame.unique(["key", "layer"], keep="first", maintain_order=True)  # some are read at several layers


def _row(
    values: Mapping[str, Any],
    concepts: Mapping[str, Sequence[str]],
    follows: Mapping[str, str],
    firsts: Mapping[str | None, str | None],
) -> list[Row]:
    part = part_of(values["protocol"], values["task"])
    if part is None:
        return []
    concept, reply = values["concept"], values["reply"]
    leaks = matches(reply, concepts.get(concept, (concept,))) if part == "elsewhere" and concept and reply else None
    return [
        Row(
            part=values["arm"] if values["arm"] in GONE_ON else part,
            key=values["key"],
            follows=follows.get(values["key"]),
            arm=values["arm"],
            concept=concept,
            wording=values["wording"],
            task=values["task"],
            prompt=values["prompt"],
            named=firsts[values["named_text"]],
            noticed=values["noticed"],
            logodds=values["yes_logodds"],
            answer=values["answer"],
            leaks=leaks,
            mass=values["mass"],
            item=values.get("item"),
        )
    ]
