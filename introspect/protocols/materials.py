"""What every protocol draws on to turn a specification into a request: the subject, the wordings, the vectors."""

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import PlanError
from introspect.injection import Injection
from introspect.records import TrialSpec, VectorRef
from introspect.spans import Span
from introspect.stimuli import Turn, Wording
from introspect.subjects.chat import Encoded
from introspect.subjects.subject import Query, Subject
from introspect.vectors import controls
from introspect.vectors.vector import ConceptVector, VectorSet

PROMPTS_KEPT = 1024
REPLY = "reply"
"""The mark around a reply that is put into the subject's mouth."""


@dataclass(frozen=True, slots=True, eq=False)
class Materials:
    """Everything a specification points into by name.

    ``scales`` are factors on the strength, by family, layer and strength, where effects are matched. ``others`` are the
    words that are the baseline of intentional control.
    """

    subject: Subject
    wordings: Mapping[str, Wording]
    vectors: VectorSet
    others: tuple[str, ...] = ()
    scales: Mapping[tuple[str, int, float], float] = field(default_factory=dict)
    _encoded: "OrderedDict[tuple[str, ...], Encoded]" = field(default_factory=OrderedDict)
    _centres: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    @property
    def baseline(self) -> Float[Tensor, "n_words n_layers d_model"]:
        """The vectors of the other words."""
        return torch.stack([self.vectors.directions[word] for word in self.others])

    def prompt(self, spec: TrialSpec, reply: str | None = None) -> Encoded:
        """Return a specification's conversation in tokens, with a reply put into it if one is given."""
        return self.encoded(spec.wording, spec.task, spec.fill, reply)

    def encoded(self, wording: str, task: str, fill: Mapping[str, str], reply: str | None = None) -> Encoded:
        """Return a conversation in tokens; the last ones are kept."""
        key = (wording, task, *(part for pair in sorted(fill.items()) for part in pair), reply or "")
        if key not in self._encoded:
            turns = self.wordings[wording].conversation(task, fill)
            if reply is not None:
                turns = (*turns, Turn(role="assistant", text=f"{{{{{REPLY}}}}}{reply}{{{{/{REPLY}}}}}"))
            self._encoded[key] = self.subject.chat.encode(turns)
            while len(self._encoded) > PROMPTS_KEPT:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(key)
        return self._encoded[key]

    def vector(self, spec: TrialSpec) -> ConceptVector | None:
        """Return what the specification injects, at its strength; nothing in the arm without injection."""
        if spec.vector is None or spec.layer is None or spec.strength is None:
            return None
        return controlled(self.vectors, spec.vector, spec.layer) * (spec.strength * self.scale(spec))

    def scale(self, spec: TrialSpec) -> float:
        """Return the factor on the strength that gives a control vector the concept vectors' effect.

        Before effects were matched, as when a run is only estimated, it is 1.

        Raises:
            PlanError: Effects were matched, and this one was not.
        """
        if spec.match == "norm" or not self.scales:
            return 1.0
        if spec.vector is None or spec.layer is None or spec.strength is None:
            return 1.0
        key = (spec.vector.family, spec.layer, spec.strength)
        if key not in self.scales:
            message = f"the effect of {key[0]} vectors at layer {key[1]}, strength {key[2]:g} was not matched"
            raise PlanError(message)
        return self.scales[key]

    def injections(self, spec: TrialSpec, prompt: Encoded) -> tuple[Injection, ...]:
        """Return what is added, and where."""
        vector = self.vector(spec)
        if vector is None or spec.vector is None:
            return ()
        found = [injection(self.vectors, spec.vector, vector, prompt.span(spec.span, spec.where))]
        for each in spec.also:
            found.append(replace(found[0], vector=vector * each.strength, span=prompt.span(each.span, spec.where)))
        return tuple(found)

    def centre(self, spec: TrialSpec) -> Float[Tensor, "n_layers d_model"] | None:
        """Return the mean activation on a sentence written without a word to think of, by layer.

        ``None`` where the wording has no such task.
        """
        sentence, key = spec.fill["sentence"], (spec.wording, spec.fill["sentence"])
        if "plain" not in self.wordings[spec.wording].ask:
            return None
        if key not in self._centres:
            prompt = self.encoded(spec.wording, "plain", {**spec.fill, "word": ""}, sentence)
            self._centres[key] = self.subject.score([self.trace(prompt)])[0].activations.mean(dim=1)
        return self._centres[key]

    def trace(self, prompt: Encoded) -> Query:
        """Return the query for every layer's activations on a reply put into the prompt."""
        start, stop = prompt.tokens_of(REPLY)
        return Query(prompt, positions=tuple(range(start, stop)), layers=tuple(range(self.subject.identity.n_layers)))


def controlled(vectors: VectorSet, ref: VectorRef, layer: int) -> ConceptVector:
    """Return the direction that a specification names: a concept's own, or a control at its norm.

    Raises:
        PlanError: A family that needs the activations of the baseline words, and vectors that came without.
    """
    vector = vectors.vector(ref.concept, layer)
    match ref.family:
        case "random":
            return controls.random_matched(vector, ref.draw)
        case "covariance":
            return controls.covariance_matched(vector, rows(vectors, layer), ref.draw)
        case "shuffled":
            return controls.coordinate_shuffled(vector, ref.draw)
        case "negated":
            return controls.negated(vector)
        case "other":
            return controls.other_concept(vector, vectors.vector(ref.other or ref.concept, layer))
        case "concept" | "swap" | "amplify":
            return vector


def injection(vectors: VectorSet, ref: VectorRef, vector: ConceptVector, span: Span) -> Injection:
    """Put a vector of a family on a span."""
    if ref.family == "amplify":
        return Injection(vector, span, "amplify")
    if ref.family == "swap":
        target = controls.swap_target(rows(vectors, vector.layer), vector, ref.draw)
        return Injection(vector, span, "swap", target)
    return Injection(vector, span)


def rows(vectors: VectorSet, layer: int) -> Float[Tensor, "n_baseline d_model"]:
    """Return the baseline words' activations at a layer."""
    if vectors.baseline is None:
        message = "the arms covariance and swap need the activations of baseline words; vectors from pairs have none"
        raise PlanError(message)
    return vectors.baseline[:, layer]


def option_tokens(subject: Subject, options: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return for each answer the tokens it can begin with, those that begin another answer, too, left out.

    Raises:
        PlanError: Two answers cannot be told apart by their first token.
    """
    exact = all(option.isupper() or option.isdigit() for option in options)
    sets = [subject.chat.first_tokens(option, exact) for option in options]
    begun = Counter(token for tokens in sets for token in tokens)
    found: list[tuple[int, ...]] = []
    for option, tokens in zip(options, sets, strict=True):
        own = [token for token in tokens if begun[token] == 1]
        if not own:
            message = f"the tokenizer of {subject.chat.name} does not tell the answer {option!r} from the others"
            raise PlanError(message)
        found.append(tuple(sorted(own)))
    return tuple(found)
