"""A small sparse autoencoder of a subject's residual stream, from text that the subject writes itself; offline.

Text is sampled, the block's output is read on every token but the first, sae-lens trains, and a card says how good it
came out, on texts that were held out. The first token is left out because many models put activations there that are a
hundred times longer than any other and say nothing.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import LayerError, StimulusError
from introspect.progress import Advance, silent, track
from introspect.records import Record
from introspect.subjects.local import LocalSubject
from introspect.subjects.sampled_texts import Conversation, Sampling, conversation, sample_texts
from introspect.subjects.subject import Query
from introspect.vectors.sae import Dictionary, load_dictionary
from introspect.vectors.sae_training import Quality, Recipe, fit, quality
from introspect.vectors.vector import in_one_step

TEXTS, CARD = "texts.jsonl", "card.json"
HELD_OUT = 20
"""Every so manieth conversation is kept for the evaluation."""
AT_ONCE = 32


class Card(Record):
    """What an autoencoder is: whose, of which block, from what, and how good."""

    subject: str
    fingerprint: str
    layer: int
    hook: str
    n_texts: int
    n_tokens: int
    sampling: dict[str, Any]
    recipe: Recipe
    held_out: Quality
    trained_on: Quality


def train_sae(subject: LocalSubject, layer: int, out: Path, sampling: Sampling, recipe: Recipe) -> Card:
    """Train an autoencoder into a folder; sampled text that is there already is used again.

    Args:
        subject: The subject.
        layer: 0-based block whose output is read.
        out: The folder, afterwards usable as ``sae:FOLDER#123``.
        sampling: How much text, and how it is drawn.
        recipe: The autoencoder's size and training.

    Raises:
        LayerError: The subject has no such layer.
        StimulusError: The folder's text is another subject's, or too little text was asked for.
    """
    if not 0 <= layer < subject.n_layers:
        raise LayerError(layer, subject.n_layers, subject.identity.name)
    with track("sampling text", sampling.n_tokens) as advance:
        texts = sample_texts(subject, out / TEXTS, sampling, advance)
    if len(texts) < HELD_OUT:
        message = f"{len(texts)} conversations are too few to hold any out; sample more than {sampling.n_tokens} tokens"
        raise StimulusError(message)
    kept = [each for each in texts if each.index % HELD_OUT]
    held = [each for each in texts if not each.index % HELD_OUT]
    with track(f"reading block {layer}", len(texts)) as advance:
        activations = read_tokens(subject, layer, kept, advance)
        unseen = read_tokens(subject, layer, held, advance)
    hook = hook_name(subject, layer)
    fit(activations, recipe, hook, subject.identity.name, out)
    dictionary = load_dictionary(str(out))
    card = _card(subject, dictionary, texts, sampling, recipe, (unseen, activations[: len(unseen)]))
    with in_one_step(out / CARD) as draft:
        draft.write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    return card


def read_tokens(
    subject: LocalSubject, layer: int, texts: Sequence[Conversation], progress: Advance = silent
) -> Float[Tensor, "token d_model"]:
    """Return the output of a block on every token of every conversation but each one's first; float32 on the CPU."""
    found: list[Tensor] = []
    for start in range(0, len(texts), AT_ONCE):
        prompts = [conversation(subject, each) for each in texts[start : start + AT_ONCE]]
        queries = [Query(each, positions=tuple(range(1, len(each.ids))), layers=(layer,)) for each in prompts]
        found += [readout.activations[0] for readout in subject.score(queries)]
        progress(len(prompts))
    return torch.cat(found) if found else torch.zeros(0, subject.identity.d_model)


def hook_name(subject: LocalSubject, layer: int) -> str:
    """Return the name of a block in its model, as sae-lens hooks it."""
    return next(name for name, module in subject.model.named_modules() if module is subject.blocks[layer])


def _card(
    subject: LocalSubject,
    dictionary: Dictionary,
    texts: Sequence[Conversation],
    sampling: Sampling,
    recipe: Recipe,
    activations: tuple[Tensor, Tensor],
) -> Card:
    unseen, seen = activations
    return Card(
        subject=subject.identity.name,
        fingerprint=subject.identity.fingerprint,
        layer=dictionary.layer,
        hook=dictionary.hook,
        n_texts=len(texts),
        n_tokens=sum(each.n_tokens for each in texts),
        sampling=json.loads(json.dumps({name: getattr(sampling, name) for name in sampling.__slots__})),
        recipe=recipe,
        held_out=quality(dictionary, unseen),
        trained_on=quality(dictionary, seen),
    )
