"""The rule grader: what a reply claims, by rules anyone can read. Blind, deterministic, without a model.

``RuleGrader.grade`` is a function of the reply's text and of nothing else. It works in four readings, each in its own
module: ``passage`` (which part answers), ``noticing`` (yes, no or unreadable), ``naming`` (what was named) and
``coherence`` (is it language at all). Noticing and naming read the answer to the first trial; coherence looks at the
whole reply, so that a loop of invented trials counts as a loop. Only the first ``READ_LIMIT`` characters are read.

Evidence rules begin with the verdict they belong to: ``noticed:``, ``refuses:`` or ``incoherent:``.

Limits: English only (a reply in another language is unreadable), no irony, no synonyms beyond the lexicon, no judgement
whether a fluent reply fits the question. The calibration against labels says how often this matters.
"""

from typing import Literal

from introspect.graders.coherence import Flaw, find_flaw
from introspect.graders.naming import Span, read_names
from introspect.graders.noticing import Noticing, read_noticing
from introspect.graders.passage import READ_LIMIT, fold, sentences
from introspect.records import Claim, Evidence


class RuleGrader:
    """Grades by rules; the version is part of the name, since a changed rule is another grader."""

    name = "rules-2"

    def grade(self, reply: str) -> Claim:
        """Read a reply for what it claims.

        Args:
            reply: The text the subject generated, and only that.

        Returns:
            The claim, with the stretches of the reply that decided it.
        """
        passage = sentences(fold(reply))
        noticing = read_noticing(passage)
        named = read_names(passage, noticing)
        flaw = find_flaw(reply[:READ_LIMIT])
        return Claim(
            grader=self.name,
            noticed=noticing.reading,
            named=tuple(_evidence(reply, *span) for span in named),
            order=_order(noticing, named),
            coherent=flaw is None,
            incoherent_because=flaw.because if flaw else None,
            refuses=noticing.denies_states is not None,
            evidence=_deciding(reply, noticing, flaw),
        )


def _evidence(reply: str, rule: str, start: int, stop: int) -> Evidence:
    return Evidence(rule=rule, start=start, stop=stop, text=reply[start:stop])


def _order(noticing: Noticing, named: tuple[Span, ...]) -> Literal["noticed_first", "named_first"] | None:
    if noticing.reading != "yes" or not named:
        return None
    return "noticed_first" if noticing.deciding[0].start <= named[0][1] else "named_first"


def _deciding(reply: str, noticing: Noticing, flaw: Flaw | None) -> tuple[Evidence, ...]:
    found = [_evidence(reply, f"noticed:{noticing.rule}", s.start, s.stop) for s in noticing.deciding]
    if noticing.denies_states:
        found.append(
            _evidence(reply, "refuses:denies_states", noticing.denies_states.start, noticing.denies_states.stop)
        )
    if flaw:
        found.append(_evidence(reply, f"incoherent:{flaw.because}", flaw.start, flaw.stop))
    return tuple(sorted(found, key=lambda e: (e.start, e.stop, e.rule)))
