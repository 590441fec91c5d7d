"""From a specification to what the engine runs, and from what it found to a trial."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from introspect.errors import IntrospectError
from introspect.protocols.layers import curves
from introspect.protocols.materials import Materials, option_tokens
from introspect.protocols.registry import protocol
from introspect.records import Audit, Scores, Trial, TrialSpec
from introspect.stopping import requested
from introspect.subjects.chat import Encoded
from introspect.subjects.subject import Query, Readout, Reply, Request

DIGITS = 5
"""Decimals kept of what is read off a pass."""
Asked = TypeVar("Asked", Request, Query)
TRACES_AT_ONCE = 32
"""Trials whose activations at every layer are held at a time."""


def request(spec: TrialSpec, materials: Materials) -> Request:
    """Return the request of a trial whose task is a reply."""
    prompt = materials.prompt(spec, spec.said or None)
    injections = materials.injections(spec, prompt)
    return Request(prompt, injections, spec.max_new_tokens, spec.temperature, spec.seed)


def query(spec: TrialSpec, materials: Materials) -> Query:
    """Return the query of a trial from which something is read in one pass."""
    reading = protocol(spec.protocol).reading(spec.task)
    if reading == "layers":
        return materials.trace(materials.prompt(spec, spec.fill["sentence"]))
    prompt = materials.prompt(spec)
    injections = materials.injections(spec, prompt)
    if reading == "options":
        return Query(prompt, injections, options=option_tokens(materials.subject, spec.options))
    start, stop = prompt.tokens_of(spec.span)
    if reading == "surprisal":
        before = range(max(start, 1) - 1, stop - 1)
        return Query(prompt, injections, positions=tuple(before), next_token=True)
    words = tuple(sorted(materials.subject.chat.first_tokens(spec.concept or "")))
    return Query(prompt, injections, words=words, positions=tuple(range(start, stop)))


def replies(spec: TrialSpec) -> bool:
    """Whether a trial's task generates a reply."""
    return protocol(spec.protocol).speaks(spec.task, spec.arm)


def run_trials(specs: Sequence[TrialSpec], materials: Materials, width: int | None = None) -> Iterator[Trial]:
    """Run trials together; yield each as it finishes. Once stopping is requested, no new ones begin."""
    spoken = [spec for spec in specs if replies(spec)]
    for index, reply in materials.subject.stream([_noted(request, spec, materials) for spec in spoken], width):
        with about(spoken[index]):
            trial = answered(spoken[index], reply, materials)
        yield trial
    read = [spec for spec in specs if not replies(spec)]
    traces = bool(read) and protocol(read[0].protocol).reading(read[0].task) == "layers"
    step = TRACES_AT_ONCE if traces else max(len(read), 1)
    for start in range(0, len(read), step):
        if requested():
            return
        chunk = read[start : start + step]
        found = materials.subject.score([_noted(query, spec, materials) for spec in chunk])
        for spec, readout in zip(chunk, found, strict=True):
            with about(spec):
                trial = scored(spec, readout, materials)
            yield trial


@contextmanager
def about(spec: TrialSpec, n: int = 1) -> Iterator[None]:
    """Let an error say which trial it was raised in, or which one the ``n`` begin with; the innermost place counts."""
    try:
        yield
    except Exception as error:
        if not getattr(error, "__notes__", None):
            several = f" or one of the {n - 1} behind it" if n > 1 else ""
            error.add_note(f"in the trial {spec.key}{several}")
        raise


def _noted(made: Callable[[TrialSpec, Materials], Asked], spec: TrialSpec, materials: Materials) -> Asked:
    with about(spec):
        return made(spec, materials)


def answered(spec: TrialSpec, reply: Reply, materials: Materials) -> Trial:
    """Put a reply on record; where activations on it are asked for, and it is the sentence, read them now."""
    scores = None
    if protocol(spec.protocol).reading(spec.task) == "layers" and transcribes(reply.text, spec.fill["sentence"]):
        prompt = materials.prompt(spec, reply.text.strip())
        scores = _scores(spec, materials.subject.score([materials.trace(prompt)])[0], materials)
    return Trial(
        key=spec.key,
        spec=spec,
        prompt=reply.request.prompt.record().id,
        reply=reply.text,
        reply_tokens=reply.tokens,
        finish=reply.finish,
        audits=_checked(spec, reply.audits),
        scores=scores,
        scale=materials.scale(spec),
    )


def scored(spec: TrialSpec, readout: Readout, materials: Materials) -> Trial:
    """Put a read-out on record."""
    return Trial(
        key=spec.key,
        spec=spec,
        prompt=readout.query.prompt.record().id,
        finish="scored",
        audits=_checked(spec, readout.audits),
        scores=_scores(spec, readout, materials),
        scale=materials.scale(spec),
    )


def transcribes(reply: str, sentence: str) -> bool:
    """Whether a reply is the sentence and nothing else, quotation marks around it allowed."""
    return reply.strip().strip("\"'“”").strip() == sentence


def prompt_of(spec: TrialSpec, materials: Materials) -> Encoded:
    """Return the prompt that goes on record for a trial."""
    return request(spec, materials).prompt if replies(spec) else query(spec, materials).prompt


def _scores(spec: TrialSpec, readout: Readout, materials: Materials) -> Scores:
    if len(readout.activations):
        vectors = materials.vectors.directions
        baseline = materials.baseline
        return Scores(curves=curves(readout.activations, vectors[spec.concept or ""], baseline, materials.centre(spec)))
    ranks = readout.ranks.min(dim=0).values.tolist() if len(readout.ranks) else []
    return Scores(
        logprobs=tuple(round(value, DIGITS) for value in readout.option_logprobs.tolist()),
        mass=round(readout.option_mass, DIGITS + 2) if spec.options else None,
        ranks=tuple(ranks),
        positions=readout.query.at if ranks else (),
        surprisal=tuple(round(-value, DIGITS) for value in readout.next_logprobs.tolist()),
    )


def _checked(spec: TrialSpec, audits: tuple[Audit, ...]) -> tuple[Audit, ...]:
    """Refuse a trial whose number of injections is not the specified one."""
    planned = 0 if spec.vector is None else 1 + len(spec.also)
    if planned != len(audits):
        message = f"the trial {spec.key} was not run as specified: {len(audits)} injections instead of {planned}"
        raise IntrospectError(message)
    return audits
