"""A small sparse autoencoder of a subject's residual stream, from text that the subject writes itself; offline.

Text is sampled, the block's output is read on every token from the question on, sae-lens trains, and a card says how
good it came out, on texts that were held out. What stands before the question is the same in every text, and its first
token is left out everywhere because many models put an activation there that is a hundred times longer than any other.

Whatever is stopped goes on: sampling behind the last conversation, training behind the last pass over all tokens; what
was read is kept until the card is written.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from introspect.errors import LayerError, StimulusError
from introspect.progress import Advance, silent, track
from introspect.records import Record, digest
from introspect.subjects.block_outputs import block_outputs
from introspect.subjects.chat import Encoded
from introspect.subjects.local import LocalSubject
from introspect.subjects.sampled_texts import QUESTION, Conversation, Sampling, begun, conversation, sample_texts
from introspect.vectors.sae import load_dictionary
from introspect.vectors.sae_training import Quality, Recipe, fit, passes_done, quality
from introspect.vectors.vector import in_one_step

TEXTS, CARD, OUTPUTS = "texts.jsonl", "card.json", "outputs.safetensors"
HELD_OUT = 20
"""Every so manieth conversation is kept for the evaluation."""


class Card(Record):
    """What an autoencoder is: whose, of which block, from what, and how good.

    ``n_tokens`` are those that the subject drew; ``n_read`` those that it was trained on, which are the questions' as
    well and leave the held-out texts out.
    """

    subject: str
    fingerprint: str
    layer: int
    hook: str
    text: str = "self-generated: features are of what this subject writes, not of text at large"
    n_texts: int
    n_tokens: int
    n_read: int
    sampling: dict[str, Any]
    recipe: Recipe
    held_out: Quality
    trained_on: Quality


def train_sae(subject: LocalSubject, layer: int, out: Path, sampling: Sampling, recipe: Recipe) -> Card:
    """Train an autoencoder into a folder, or go on where that was stopped.

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
    texts = _texts(subject, out, sampling)
    name = digest([layer, subject.identity.dtype, recipe.model_dump(), [each.model_dump() for each in texts]])[:12]
    work = out / f"unfinished-{name}"
    seen, unseen = _outputs(subject, layer, texts, work)
    steps = recipe.steps(len(seen))
    with track("3/3 training", recipe.n_passes * steps, passes_done(work) * steps) as advance:
        fit(seen, recipe, (hook_name(subject, layer), subject.identity.name), out, work, advance)
    dictionary = load_dictionary(str(out))
    card = Card(
        subject=subject.identity.name,
        fingerprint=subject.identity.fingerprint,
        layer=dictionary.layer,
        hook=dictionary.hook,
        n_texts=len(texts),
        n_tokens=sum(each.n_tokens for each in texts),
        n_read=len(seen),
        sampling=json.loads(json.dumps({name: getattr(sampling, name) for name in sampling.__slots__})),
        recipe=recipe,
        held_out=quality(dictionary, unseen),
        trained_on=quality(dictionary, seen[: len(unseen)]),
    )
    with in_one_step(out / CARD) as draft:
        draft.write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    for folder in out.glob("unfinished-*"):
        shutil.rmtree(folder)
    return card


def _texts(subject: LocalSubject, out: Path, sampling: Sampling) -> list[Conversation]:
    already = sum(each.n_tokens for each in begun(subject, out / TEXTS, sampling))
    with track("1/3 sampling text", sampling.n_tokens, min(already, sampling.n_tokens)) as advance:
        texts = sample_texts(subject, out / TEXTS, sampling, advance)
    if len(texts) < HELD_OUT:
        message = f"{len(texts)} conversations are too few to hold any out; sample more than {sampling.n_tokens} tokens"
        raise StimulusError(message)
    return texts


def _outputs(subject: LocalSubject, layer: int, texts: Sequence[Conversation], work: Path) -> tuple[Tensor, Tensor]:
    """Return the block's outputs on the texts to train on and on those held out, read or as they were left."""
    path = work / OUTPUTS
    if not path.exists():
        kept = [each for each in texts if each.index % HELD_OUT]
        held = [each for each in texts if not each.index % HELD_OUT]
        with track(f"2/3 reading block {layer}", len(texts)) as advance, in_one_step(path) as draft:
            save_file(
                {name: read_tokens(subject, layer, part, advance) for name, part in (("seen", kept), ("held", held))},
                draft,
            )
    found = load_file(path)
    return found["seen"], found["held"]


def read_tokens(
    subject: LocalSubject, layer: int, texts: Sequence[Conversation], progress: Advance = silent
) -> Float[Tensor, "token d_model"]:
    """Return the output of a block on every token from the question on; float32 on the CPU."""
    return block_outputs(subject, layer, [conversation(subject, each) for each in texts], _first, progress)


def _first(prompt: Encoded) -> int:
    return max(1, prompt.tokens_of(QUESTION)[0])


def hook_name(subject: LocalSubject, layer: int) -> str:
    """Return the name of a block in its model, as sae-lens hooks it."""
    return next(name for name, module in subject.model.named_modules() if module is subject.blocks[layer])
