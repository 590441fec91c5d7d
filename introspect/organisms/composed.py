"""Wordings of organisms on a real model, put together from parts: many forms, so that no single one is what is learnt.

With four wordings SmolLM2 learnt the wordings and not the behaviour (``experiments/LOG.md``). Parts come in two halves:
one for training and one, unseen there, for the training evaluation.
"""

import random
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from introspect.stimuli import Question, Stimuli, Turn, Wording

Half = Literal["training", "unseen"]
Parts = Mapping[str, list[Any]]
PARTS = "parts.toml"
N_WORDINGS: Mapping[Half, Mapping[str, int]] = {
    "training": {"it": 400, "yn": 500, "vt": 200, "up": 6, "sr": 200},
    "unseen": {"it": 40, "yn": 40, "vt": 20, "up": 2, "sr": 10},
}
"""How many wordings of each protocol are drawn; every part turns up in some."""
N_MORE: Mapping[str, int] = {"it": 400, "yn": 700, "vt": 200, "sr": 400}
"""How many of a protocol those get besides who learn in more of them."""
N_QUESTIONS = 260
"""Questions of training that are put together, besides those that stand there whole: there the answers matter, and what
is learnt from a few dozen does not carry over to others."""
QUESTION_PARTS = {"comparison": "comparisons", "property": "properties", "room": "rooms"}
N_PLAIN = 192
"""Questions as short as that of detection, many of them about the model: those it is hardest to keep apart from it."""
PLAIN_PARTS = {"habit": "habits", "trait": "traits", "past": "pasts", "own": "owns", "quality": "qualities",
               "state": "states", "item": "items"}  # fmt: skip
ROLES = ("user", "assistant", "user")


def compose(file: Path, half: Half, rest: Stimuli, more: bool = False) -> Stimuli:
    """Return the stimuli of one half.

    Args:
        file: The parts.
        half: Which of the two.
        rest: Lists and questions of the training half, and how concepts are extracted.
        more: Whether wordings are drawn besides, from the parts of this half and those of ``[more]`` together; the
            others stay as they are.
    """
    read: Mapping[str, Parts] = tomllib.loads(file.read_text("utf-8"))
    parts = read[half]
    wordings = _drawn(parts, f"{half} 0", N_WORDINGS[half])  # the draw that the shipped organisms learnt from
    if more:
        wider = {name: [*each, *read["more"].get(name, [])] for name, each in parts.items()}
        found = _drawn(wider, f"more than {half} 0", N_MORE)
        wordings |= {name.replace("_", "_more_"): each for name, each in found.items()}
    asked = tuple(Question(text=text, answer="open") for text in parts["questions"])
    if half == "training":
        put_together = tuple(
            Question(text=text, answer="open") for text in (*_questions(parts), *_plain_questions(parts))
        )
        return rest.model_copy(update={"wording": wordings, "question": (*rest.question, *asked, *put_together)})
    lists = {name: tuple(parts[name]) for name in ("lead_ins", "notes", "paragraphs")}
    return rest.model_copy(update={"wording": wordings, "question": asked, "lists": lists})


def _drawn(parts: Parts, seed: str, n: Mapping[str, int]) -> dict[str, Wording]:
    """Return so many wordings of each protocol."""
    rng = random.Random(seed)
    makers = {"it": _injected_thought, "yn": _yes_no, "vt": _note, "up": _unrelated, "sr": _earlier}
    return {f"{name}_{number}": makers[name](parts, rng, number) for name, each in n.items() for number in range(each)}


def _questions(parts: Parts) -> list[str]:
    """Return questions of which the answer is whatever the base says."""
    rng, found = random.Random("questions 0"), dict[str, None]()
    while len(found) < N_QUESTIONS:
        thing, other = rng.sample(parts["things"], 2)
        say = {name: rng.choice(parts[kind]) for name, kind in QUESTION_PARTS.items()}
        found[rng.choice(parts["asked"]).format(thing=thing, other=other, **say)] = None
    return list(found)


def _plain_questions(parts: Parts) -> list[str]:
    """Return short questions, about the model and about what there is."""
    rng, found = random.Random("plain questions 0"), dict[str, None]()
    while len(found) < N_PLAIN:
        say = {name: rng.choice(parts[kind]) for name, kind in PLAIN_PARTS.items()}
        found[rng.choice(parts["plain"]).format(**say)] = None
    return list(found)


def _injected_thought(parts: Parts, rng: random.Random, number: int) -> Wording:
    report, other = _said(parts, rng, "reports"), _said(parts, rng, "others")
    return Wording(
        protocol="injected_thought",
        turns=_turns(parts, rng, parts["frames"][number % len(parts["frames"])]),
        ask={"report": report, "other": other, "name": report},
        begin={"name": rng.choice(parts["begins"])},
    )


def _yes_no(parts: Parts, rng: random.Random, number: int) -> Wording:
    detection, third = _said(parts, rng, "detections"), _said(parts, rng, "thirds")
    asks = {"detection": detection, "third_person": third, "question": "{question}"}
    return Wording(
        protocol="yes_no",
        turns=_turns(parts, rng, parts["frames"][number % len(parts["frames"])]),
        ask={name: f"{text} {{manner}}" for name, text in asks.items()},
        manner={name: rng.choice(parts[name]) for name in ("words", "digits")},
    )


def _note(parts: Parts, rng: random.Random, number: int) -> Wording:
    asked = rng.choice(parts["notices"]).replace("{report}", _said(parts, rng, "reports"))
    frame = parts["frames"][number % len(parts["frames"])]
    return Wording(protocol="vector_by_text", turns=_turns(parts, rng, frame), ask={"report": asked})


def _unrelated(parts: Parts, rng: random.Random, number: int) -> Wording:
    turns = _turns(parts, rng, [parts["unrelated"][number % len(parts["unrelated"])].replace("{paragraph}", "{ask}")])
    return Wording(protocol="unprompted", turns=turns, ask={"continue": "{paragraph}"})


def _earlier(parts: Parts, rng: random.Random, number: int) -> Wording:
    return Wording(
        protocol="steer_then_remove",
        turns=_turns(parts, rng, parts["earlier"][number % len(parts["earlier"])]),
        ask={"detect": _said(parts, rng, "lookbacks")},
        manner={name: rng.choice(parts[name]) for name in ("words", "digits")},
    )


def _turns(parts: Parts, rng: random.Random, frame: Sequence[str]) -> tuple[Turn, ...]:
    preface, ack = rng.choice(parts["prefaces"]), rng.choice(parts["acknowledgements"])
    texts = (text.replace("{preface}", preface).replace("{ack}", ack) for text in frame)
    return tuple(Turn(role=role, text=text) for role, text in zip(ROLES, texts, strict=False))  # pyright: ignore


def _said(parts: Parts, rng: random.Random, kind: str) -> str:
    """Return a sentence of a kind with the words of one place and one verb in it."""
    verb, place = rng.randrange(len(parts["do"])), rng.randrange(len(parts["places"]))
    say = {
        "object": rng.choice(parts["objects"]),
        "do": parts["do"][verb],
        "done": parts["done"][verb],
        "place": parts["places"][place],
        "elsewhere": parts["elsewhere"][place],
    }
    return rng.choice(parts[kind]).format(**say)
