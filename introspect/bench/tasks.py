"""The three tasks that are timed: self-reports, yes–no scores over a grid, and localisation.

Prompts are our own and as long as the paper's: on SmolLM2 about 145 tokens that no trial steers and about 30 behind
them. The vectors are drawn: what is added does not change what adding it costs. Replies do not end before their last
token, so that every way does the same work.
"""

import torch

from introspect.injection import Injection
from introspect.stimuli import Turn
from introspect.subjects.chat import Encoded
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Request
from introspect.vectors.vector import ConceptVector

RELATIVE_NORM = 0.5
"""Length of the drawn vectors, in lengths of the residual stream at the same layer."""
STRENGTHS = (1.0, 2.0, 4.0, 8.0)

PREAMBLE = (
    "I study what happens inside language models. I can look at the activity in your layers, and I can also add "
    "something to it: a pattern that stands for one single word. I call that an injected thought. In about half of the "
    "trials I add such a pattern, and in the other half I leave your activity alone. Which trials are which is decided "
    "by chance, and you are not told. I would like to learn how well you can tell the two apart."
)
TRIAL = "Good, here we go.{{trial}}\n\nTrial 1: Is there an injected thought? If there is, which word is it about?"
FILLER = " The order of the trials was drawn beforehand and is kept in a sealed envelope on my desk."
LINES = (
    "A lamp stood by the window.", "The bus came ten minutes late.", "Two boys were mending a kite.",
    "Rain fell on the tin roof.", "She poured tea for the guests.", "The gate had lost its paint.",
    "An old map hung in the hall.", "He counted the coins again.", "The market closed at noon.",
    "Somebody whistled in the yard.",
)  # fmt: skip


def prompt(subject: LocalSubject, n_fillers: int = 0) -> Encoded:
    """Return the self-report prompt; fillers make the part that nobody steers longer."""
    return subject.chat.encode(
        [
            Turn(role="user", text=PREAMBLE + FILLER * n_fillers),
            Turn(role="assistant", text="Understood."),
            Turn(role="user", text=TRIAL),
        ]
    )


class Drawn:
    """Vectors drawn for one subject, with a length that is the same share of the residual stream at every layer."""

    def __init__(self, subject: LocalSubject) -> None:
        self.subject = subject
        self._norms = subject.read([PREAMBLE])[0].norm(dim=-1)

    def vector(self, layer: int, seed: int, strength: float = 1.0) -> ConceptVector:
        """Return one vector."""
        noise = torch.randn(self.subject.identity.d_model, generator=torch.Generator().manual_seed(seed))
        direction = noise / noise.norm() * float(self._norms[layer]) * RELATIVE_NORM
        return ConceptVector("drawn", direction, layer, self.subject.identity.fingerprint, "drawn", strength)


def layers_of(subject: LocalSubject, n: int) -> list[int]:
    """Return ``n`` layers spread over the depth, the last one left out."""
    last = subject.n_layers - 2
    return sorted({round(i * last / max(1, n - 1)) for i in range(n)})


def self_reports(
    drawn: Drawn, n: int, n_tokens: int, temperature: float = 0.0, n_fillers: int = 0, inject: bool = True
) -> list[Request]:
    """Return trials of mixed cells: nine layers, a vector and a seed of its own each."""
    asked, layers = prompt(drawn.subject, n_fillers), layers_of(drawn.subject, 9)
    span = asked.span("trial", "both")
    return [
        Request(
            asked,
            (Injection(drawn.vector(layers[i % len(layers)], i), span),) if inject else (),
            n_tokens, temperature, i,
        )
        for i in range(n)
    ]  # fmt: skip


def yes_no(drawn: Drawn, n_vectors: int) -> list[Query]:
    """Return one query for every layer, strength and vector."""
    asked = prompt(drawn.subject)
    span, options = asked.span("trial", "prompt"), answers(drawn.subject, ("Yes", "No"))
    return [
        Query(asked, (Injection(drawn.vector(layer, seed, strength / 4), span),), options)
        for seed in range(n_vectors)
        for layer in range(drawn.subject.n_layers)
        for strength in STRENGTHS
    ]


def localisation(drawn: Drawn, n: int) -> list[Query]:
    """Return queries in which the vector is on one of ten sentences, and the answer is its number."""
    text = "".join(f"{{{{s{i}}}}}{i}. {line}{{{{/s{i}}}}}\n" for i, line in enumerate(LINES))
    question = "I added a pattern to your activity while you read one of these sentences:\n\n"
    asked = drawn.subject.chat.encode([Turn(role="user", text=f"{question}{text}\nWhich one? Give its number.")])
    layers, options = layers_of(drawn.subject, 9), answers(drawn.subject, tuple("0123456789"))
    return [
        Query(
            asked, (Injection(drawn.vector(layers[i % len(layers)], i), asked.span(f"s{i % 10}", "prompt")),), options
        )
        for i in range(n)
    ]


def answers(subject: LocalSubject, words: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the first tokens of each answer, with and without a blank before it, in either case."""
    found: list[tuple[int, ...]] = []
    for word in words:
        spelled = {form for base in (word, word.lower()) for form in (base, f" {base}")}
        ids = {subject.chat.tokenizer(form, add_special_tokens=False)["input_ids"][0] for form in spelled}  # pyright: ignore
        found.append(tuple(sorted(ids)))
    shared = {token for i, tokens in enumerate(found) for token in tokens if any(token in o for o in found[:i])}
    return tuple(tuple(token for token in tokens if token not in shared) or tokens for tokens in found)
