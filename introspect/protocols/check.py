"""Is a stimulus file whole? Everything that would go wrong when a plan uses it, said at once."""

import difflib
import itertools
from collections.abc import Iterator

from introspect.errors import UnknownNameError
from introspect.protocols.protocol import Protocol
from introspect.protocols.registry import PROTOCOLS
from introspect.stimuli import Stimuli, Wording, shipped

FILLED: dict[str, frozenset[str]] = {
    "thought_vs_text": frozenset({"sentence", "options"}),
    "intended_or_prefilled": frozenset({"sentence", "word", "options"}),
    "intentional_control": frozenset({"sentence", "word"}),
    "steer_then_remove": frozenset({"options"}),
    "localisation": frozenset({"lines"}),
    "strength": frozenset({"lines"}),
    "identification": frozenset({"options"}),
    "input_or_activation": frozenset({"note", "word", "options"}),
    "concealment": frozenset({"options"}),
    "unprompted": frozenset({"paragraph"}),
    "yes_no": frozenset({"question"}),
    "competence": frozenset({"paragraph", "question", "options"}),
    "vector_by_text": frozenset({"note"}),
}
"""Slots that each experiment fills, besides those that every one does."""
ALWAYS = frozenset({"info", "lead"})
OWN_MARKS = frozenset({"localisation", "strength", "competence", "intentional_control"})
"""Experiments that set their marks themselves, or whose tasks need different ones."""


def problems(stimuli: Stimuli) -> list[str]:
    """Return what is wrong with a stimulus file, a sentence each; empty if nothing is."""
    found = [problem for name, wording in stimuli.wording.items() for problem in _of_wording(name, wording)]
    for name, text in stimuli.grader.items():
        if "{response}" not in text:
            found.append(f"the grader {name!r} has no {{response}} in it, so it would not see the reply")
    for number, each in enumerate(stimuli.multiple_choice, start=1):
        if len(set(each.options)) < len(each.options):
            found.append(f"multiple-choice question {number} ({each.question!r}) offers one answer twice")
    return [*found, *_lists(stimuli)]


def _lists(stimuli: Stimuli) -> Iterator[str]:
    there = {**shipped().lists, **stimuli.lists}
    yield from (
        str(UnknownNameError("list to join [more] to", each, there)) for each in stimuli.more if each not in there
    )
    for name, texts in (*stimuli.lists.items(), *stimuli.more.items()):
        repeated = sorted({text for text in texts if texts.count(text) > 1})
        if repeated and name != "baseline_words":
            yield f"the list {name!r} has {repeated[0]!r} twice"
        if name == "notes":
            yield from (f"the note {text!r} has no {{noted}} in it" for text in texts if "{noted}" not in text)


def _of_wording(name: str, wording: Wording) -> Iterator[str]:
    if wording.protocol not in PROTOCOLS:
        near = difflib.get_close_matches(wording.protocol, PROTOCOLS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(PROTOCOLS)}"
        yield f"the wording {name!r} is for the protocol {wording.protocol!r}, which does not exist{hint}"
        return
    protocol = PROTOCOLS[wording.protocol]
    known = {*protocol.readings, *(("plain",) if protocol.name == "intentional_control" else ())}
    for task in wording.ask:
        if task not in known:
            near = difflib.get_close_matches(task, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; {protocol.name} has {', '.join(sorted(known))}"
            yield f"the wording {name!r} asks for the task {task!r}, which {protocol.name} does not have{hint}"
    for slot in wording.slots:
        if slot not in ALWAYS | FILLED.get(protocol.name, frozenset()):
            yield f"the wording {name!r} has the slot {{{slot}}}, which {protocol.name} does not fill"
    yield from _marks(name, wording, protocol)
    if wording.ask and "{ask}" not in "".join(turn.text for turn in wording.turns):
        yield f"the wording {name!r} has texts for tasks, but no {{ask}} to put them into"


def _marks(name: str, wording: Wording, protocol: Protocol) -> Iterator[str]:
    wanted = protocol.span
    if wanted and protocol.name not in OWN_MARKS and wanted not in wording.marks:
        yield (
            f"the wording {name!r} has no mark {{{{{wanted}}}}}, where {protocol.name} injects unless a plan names "
            f"another span; it has: {', '.join(wording.marks) or 'none'}"
        )
    roles = [turn.role for turn in wording.turns]
    if roles[-1] == "assistant" and wording.begin:
        yield f"the wording {name!r} ends with an assistant's turn and also begins replies; keep one of them"
    if any(first == second for first, second in itertools.pairwise(roles)):
        yield f"the wording {name!r} has two turns of one role after each other; chat templates refuse that"
