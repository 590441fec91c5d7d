"""Yes or no: does an injection move the detection question more than questions it has nothing to do with?

``detection`` asks whether there is an injected thought, ``inverted`` whether there is none; ``third_person`` asks
about another model that the text says is untouched, ``third_person_told`` about one that it says is injected.
``question`` asks something unrelated, half of the questions in the detection question's own frame. Each is answered
in words and in digits. One pass gives the log-odds of yes. An injection that only makes answers less certain moves
every question towards even odds, so the controls that count are those whose clean log-odds lie about where the
detection question's do.

Source: Hahami et al. (2026), on paired control questions; Sridharan (2026), on inverted and factual questions and on
why entropy has to be matched; Lederman and Mahowald (2026), on the third person; Lindsey (2025), twenty questions.
"""

from dataclasses import replace

from introspect.protocols.choices import yes_no
from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene
from introspect.split import on_side
from introspect.stimuli import Question

RIGHT: dict[str, dict[str, bool]] = {
    "detection": {"concept": True, "none": False},
    "inverted": {"concept": False, "none": True},
    "third_person": {"concept": False, "none": False},
    "third_person_told": {"concept": True, "none": True},
}


def questions(scene: Scene) -> list[Question]:
    """Return the plan's questions: as many in the detection question's frame as in frames of their own."""
    chosen: list[Question] = []
    every = scene.stimuli.question
    there = set(on_side((each.text for each in every), "question", scene.plan.side, scene.plan.salt))
    frames = [[q for q in every if q.frame == frame and q.text in there] for frame in ("own", "detection")]
    for number, pool in enumerate(frames):
        scene.rng("questions", number).shuffle(pool)
        whole = 2 * min(len(each) for each in frames)
        chosen += pool[: ((scene.plan.n_items or whole) + 1 - number) // 2]
    return chosen


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Ask one of the questions, or all the unrelated ones."""
    if asked.head == "question":
        # Their lead-in does not go with the concept: one clean pass of a question is the twin of all its injected ones.
        # Every question has one of its own, so that what a lead-in does is part of what differs between questions.
        found: list[Item] = []
        for number, each in enumerate(questions(scene)):
            sample = number * scene.plan.samples + asked.sample % scene.plan.samples
            opening = scene.opening(replace(asked, concept=None, sample=sample))
            answer = {"yes": True, "no": False}.get(each.answer)
            found.append(Item({**opening, "question": each.text}, *yes_no(asked.manner, answer)))
        return found
    return [Item(scene.opening(asked), *yes_no(asked.manner, RIGHT[asked.head].get(asked.arm)))]


PROTOCOL = Protocol(
    name="yes_no",
    question="Does an injection move the detection question more than questions it has nothing to do with?",
    readings=dict.fromkeys((*RIGHT, "question"), "options"),
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="prompt",
)
