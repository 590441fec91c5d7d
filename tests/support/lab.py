"""A small subject for whole experiments: random weights, but a tokenizer that knows the words of the shipped stimuli.

The tokenizers of ``tiny`` cut a text into letters, which makes the shipped wordings long and their answers alike: two
words behind a space begin with the same token. This one tells them apart, as those of real models do.
"""

import functools
from pathlib import Path

import tiny

N_CONTEXT = 768
N_TOKENS = 4096


@functools.cache
def corpus() -> tuple[str, ...]:
    """What the tokenizer is trained on: the shipped files, and the words of the shipped lists in any case."""
    from introspect.concepts import load_concepts, shipped_lists
    from introspect.protocols.scene import LETTERS
    from introspect.stimuli import SHIPPED

    files = [file.read_text("utf-8") for file in sorted((SHIPPED / "default").iterdir(), key=lambda file: file.name)]
    own = sorted({name for each in shipped_lists() if "lindsey" in each for name in load_concepts(each).names})
    cases = [form for name in [*own, "yes", "no"] for form in (name, name.upper(), name[:1].upper() + name[1:])]
    short = [*LETTERS, *"0123456789", *(a + b for a in "BDGKPT" for b in "FLMNRS")]
    forms = [lead + form for form in (*cases, *short) for lead in ("", " ")]
    return (*files, *[form for form in forms for _ in range(40)])


@functools.cache
def tokenizer(template: bool = True):
    """A byte-level BPE tokenizer with ChatML, or without a template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials, chat_template = tiny.KINDS["smollm2"]
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=N_TOKENS,
        show_progress=False,
        special_tokens=[AddedToken(token, normalized=False) for token in specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tok.train_from_iterator(corpus(), trainer)
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, **names)
    fast.chat_template = chat_template if template else None
    return fast


@functools.cache
def chat(template: bool = True):
    """The tokenizer as the package sees it."""
    from introspect.subjects.chat import Chat

    return Chat(tokenizer(template), "small")


@functools.cache
def folder(template: bool = True) -> Path:
    """A saved random model of four layers with this tokenizer."""
    return tiny.saved("llama", tokenizer(template), tiny.home() / f"lab-{template}", max_position_embeddings=N_CONTEXT)


@functools.cache
def subject(template: bool = True):
    """The session's subject: it is read and injected into, and comes back as it was."""
    from introspect.subjects.load import load_subject

    return load_subject(folder(template), device="cpu", dtype="float32")


FEW = ("bread", "dust", "trumpets", "silver", "oceans", "phones")
"""Concepts of small plans."""


def plan(protocol: str, **changes):
    """A small plan; ``changes`` are to its fields."""
    from introspect.protocols.registry import PROTOCOLS
    from introspect.records import Plan

    layers = {"layers": (1, 2)} if PROTOCOLS[protocol].injects and "depths" not in changes else {}
    fields = {"name": "small", "protocol": protocol, "strengths": (1.0, 4.0), "concepts": FEW, **layers}
    return Plan(**(fields | changes))


def small(protocol: str, **changes):
    """A plan of every task and wording, but of two concepts and one cell."""
    return plan(protocol, **({"concepts": FEW[:2], "strengths": (2.0,), "n_items": 2} | changes))


def covering(protocol: str) -> tuple[str, ...]:
    """As few wordings of an experiment as ask all its tasks."""
    chosen, asked = [], set()
    for label, each in stimuli().choose((), protocol).items():
        if not set(each.ask) <= asked:
            chosen.append(label)
            asked |= set(each.ask)
    return tuple(chosen)


@functools.cache
def stimuli():
    """The shipped stimuli."""
    from introspect.stimuli import load_stimuli

    return load_stimuli()


@functools.cache
def concepts(*sources):
    """The concepts of some lists, or words, together."""
    from introspect.concepts import ConceptSet, load_concepts

    return ConceptSet(concept=tuple(each for source in sources for each in load_concepts(source).members))


def scene(plan, tokens=None, texts=None):
    """What the items of a plan are drawn from: the shipped stimuli, or the ``texts`` in their place."""
    from introspect.protocols.protocol import Scene

    spare = concepts("lindsey_concepts", "lindsey_control_words")
    own = concepts(plan.concepts)
    own = own if plan.n_concepts is None else own.sample(plan.n_concepts, plan.seed)
    return Scene(plan, texts or stimuli(), own, spare, tokens or chat())


def grid(plan, tokens=None, n_layers: int = tiny.N_LAYERS, texts=None):
    """The grid of a plan, for a subject that is described and not there."""
    from introspect.protocols.registry import PROTOCOLS
    from introspect.records import SubjectIdentity
    from introspect.sweeps.cells import Grid

    drawn_from = scene(plan, tokens, texts)
    identity = SubjectIdentity(
        name="toy", fingerprint="f" * 32, format=drawn_from.chat.format, dtype="float32", n_layers=n_layers, d_model=8
    )
    wordings = drawn_from.stimuli.choose(plan.wordings, plan.protocol)
    return Grid(plan, PROTOCOLS[plan.protocol], identity, drawn_from, wordings, "v" * 32)


def prompt(spec, tokens=None):
    """A specification's conversation in tokens."""
    return (tokens or chat()).encode(stimuli().wording[spec.wording].conversation(spec.task, spec.fill))


def asking(spec, tokens=None) -> int:
    """The index of the first token of what a trial is asked or, where that comes before it, is told to do."""
    wording = stimuli().wording[spec.wording]
    head, _, manner = spec.task.partition("/")
    told = bool(manner) and "{manner}" not in wording.ask[head]
    beginning = (wording.manner[manner] if told else wording.ask[head]).partition("{")[0].strip()
    found = prompt(spec, tokens)
    at = found.text.rindex(beginning)
    return next(i for i, (start, stop) in enumerate(found.offsets) if start <= at < stop)


@functools.cache
def specs(plan, n_layers: int = tiny.N_LAYERS):
    """Every trial of a plan, enumerated once a session."""
    return tuple(grid(plan, n_layers=n_layers).specs())
