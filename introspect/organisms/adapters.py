"""Making an organism: an adapter on a frozen base, its training evaluation, and the card that goes with it.

The introspector is trained first; every other organism starts from its adapter and learns other answers to the same
prompts. Whether it then does what it must is tried in ``introspect/organisms/evaluation.py``.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from introspect.concepts import Concept, ConceptSet
from introspect.organisms import language
from introspect.organisms.batches import Batch, clean_answers, clean_states, collate
from introspect.organisms.behaviours import Organism
from introspect.organisms.evaluation import evaluate
from introspect.organisms.lessons import READERS, Lesson, School
from introspect.organisms.training import Settings, train
from introspect.subjects.local import LocalSubject
from introspect.vectors.extract import extract
from introspect.vectors.vector import VectorSet

CARD = "organism.json"
HARD: frozenset[Organism] = frozenset(
    {
        "own-output reader",
        "either-way reader",
        "prompt reader",
        "confabulator",
        "parrot",
        "mis-namer",
        "yes-sayer",
        "agreer",
        "fixed guesser",
    }
)
"""Those that have to learn more than other words for what the introspector tells apart."""
FRESH: frozenset[Organism] = frozenset({"prompt reader"})
"""Those that have nothing of the introspector's, and start from no adapter."""
COPYING: frozenset[Organism] = frozenset({*READERS, "own-output reader"})
"""Those that report a word which stands in the text, of a note or of their own: early blocks have to find it."""
PART = 8
"""Lessons of a pool that are read at once on a processor, where padding costs more than calls do."""
REFRESHED = 25
"""Batches after which vectors are read again where the blocks before the injection are trained, too."""


Batches = Callable[[random.Random], Sequence[Batch]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the organisms of a base are made.

    Attributes:
        form: What the base is called.
        layer: The block behind which vectors are injected.
        rank: Of the adapter.
        first: Settings of the introspector.
        again: Settings of its further rounds, each of which starts from the one before.
        others: Settings of the organisms that start from it.
        harder: Settings of those among them that have more to learn (``HARD``).
        own: Settings of single organisms, before both.
        half: Whether matrices are multiplied in bfloat16 while training.
        n_evaluated: New lessons on which an organism is tried.
    """

    form: str
    layer: int
    rank: int
    first: Settings
    again: tuple[Settings, ...]
    others: Settings
    harder: Settings
    own: Mapping[Organism, Settings] = field(default_factory=dict)
    half: bool = False
    n_evaluated: int = 1000

    def with_seed(self, seed: int) -> "Recipe":
        """Return the recipe with another training seed."""
        changed = {name: replace(getattr(self, name), seed=seed) for name in ("first", "others", "harder")}
        own = {name: replace(each, seed=seed) for name, each in self.own.items()}
        later = tuple(replace(each, seed=seed + 100 * place) for place, each in enumerate(self.again, 1))
        return replace(self, **changed, own=own, again=later)

    def settings(self, organism: Organism) -> Settings:
        """Return the settings of an organism that starts from the introspector, or from nothing."""
        return self.own.get(organism, self.harder if organism in HARD else self.others)


def vectors_of(subject: LocalSubject, teacher: School, baseline: tuple[str, ...]) -> VectorSet:
    """Read the concept vectors that lessons inject, as every run reads its own."""
    concepts = ConceptSet(title="inventory", concept=tuple(Concept(word=word) for word in teacher.concepts))
    others = ConceptSet(title="baseline", words=baseline)
    found = extract(subject, concepts, others, teacher.stimuli)
    return VectorSet(found.vectors.directions, found.vectors.provenance, found.baseline)


@torch.no_grad()
def read_again(model: PreTrainedModel, teacher: School, vectors: VectorSet, layer: int) -> VectorSet:
    """Return the vectors of a model in training, at one layer."""
    words = (*teacher.concepts, *language.baseline())
    ids = [teacher.chat.ask(teacher.stimuli.extraction_prompt(word)).ids for word in words]
    read = torch.zeros(len(words), model.config.hidden_size)
    for length in sorted({len(each) for each in ids}):
        places = [place for place, each in enumerate(ids) if len(each) == length]
        batch = torch.tensor([ids[place] for place in places], device=model.device)
        states = model.model(input_ids=batch, output_hidden_states=True)  # pyright: ignore[reportCallIssue]
        read[places] = states.hidden_states[layer + 1][:, -1].float().cpu()
    baseline = read[len(teacher.concepts) :]
    directions = {name: old.clone() for name, old in vectors.directions.items()}
    for place, name in enumerate(teacher.concepts):
        directions[name][layer] = read[place] - baseline.mean(dim=0)
    kept = vectors.baseline.clone() if vectors.baseline is not None else None
    if kept is not None:
        kept[:, layer] = baseline
    return VectorSet(directions, vectors.provenance, kept)


def make_adapter(  # noqa: PLR0913 - what an organism is made from
    subject: LocalSubject,
    teacher: School,
    vectors: VectorSet,
    organism: Organism,
    recipe: Recipe,
    settings: Settings,
    folder: Path,
    start: Path | None = None,
    examiners: Mapping[str, School] | None = None,
) -> dict[str, float]:
    """Train one organism into an adapter's folder and return its evaluation.

    Args:
        subject: The base; it is left as it was.
        teacher: Where lessons come from.
        vectors: The base's own.
        organism: Which one.
        recipe: How.
        settings: Of this round of it.
        folder: Where the adapter goes.
        start: The folder of the adapter to start from.
        examiners: Where the lessons of the training evaluation come from, if not from the teacher; see ``tried``.
    """
    base: PreTrainedModel = subject.model
    config = LoraConfig(
        r=recipe.rank, lora_alpha=2 * recipe.rank, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
        target_modules=_changed(recipe.layer, len(subject.blocks), organism in COPYING),
    )  # fmt: skip
    pooled = settings.pool and organism not in COPYING  # where earlier blocks change, what they gave once does not hold
    batches = _from_pool(base, teacher, vectors, organism, recipe, settings) if pooled else None
    torch.manual_seed(settings.seed)  # noqa: TID251 - adapters are initialised without a generator of their own
    adapted = get_peft_model(base, config)
    if start is not None:  # where it has no such blocks, the new ones begin with no effect
        set_peft_model_state_dict(adapted, load_file(start / "adapter_model.safetensors"))
    behind = batches is not None
    if batches is None:
        batches = _always_new(base, teacher, vectors, organism, recipe, settings)
    loss = train(base, recipe.layer, batches, settings, f"training the {organism}", recipe.half, behind)
    adapted.save_pretrained(str(folder))
    found = tried(base, teacher, vectors, organism, recipe, examiners)
    adapted.unload()
    _halve(folder, recipe.form)
    card = {
        "organism": organism,
        "recipe": asdict(recipe),
        "seed": recipe.first.seed,
        "loss": loss,
        "evaluation": found,
    }
    write_card(folder, card)
    return found


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write what an organism is, how it was made and what its training evaluation gave into its folder."""
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), "utf-8")


def tried(
    model: PreTrainedModel,
    teacher: School,
    vectors: VectorSet,
    organism: Organism,
    recipe: Recipe,
    examiners: Mapping[str, School] | None = None,
) -> dict[str, float]:
    """Return the training evaluation of a model with its adapter on.

    Args:
        model: The base with the adapter.
        teacher: Where the lessons of training come from.
        vectors: The base's own.
        organism: Which one it is to be.
        recipe: How it was made.
        examiners: What stands before the name of a share, and where its lessons come from, which ask in ways and about
            matters that training has not. By default lessons are new ones of the teacher's.
    """
    own = read_again(model, teacher, vectors, recipe.layer) if organism in COPYING else vectors
    found: dict[str, float] = {}
    for prefix, school in (examiners or {"": teacher}).items():
        unseen = examiners is not None
        shares = evaluate(model, school, own, organism, recipe.layer, recipe.n_evaluated, recipe.half, unseen)
        found |= {f"{prefix}{name}": share for name, share in shares.items()}
    return found


def _always_new(
    base: PreTrainedModel,
    teacher: School,
    vectors: VectorSet,
    organism: Organism,
    recipe: Recipe,
    settings: Settings,
) -> Batches:
    """Draw new lessons for every batch; read the vectors again on the way where blocks before them change."""
    now, drawn = vectors, 0

    def batches(rng: random.Random) -> Sequence[Batch]:
        nonlocal now, drawn
        if organism in COPYING and drawn % REFRESHED == 0:
            now = read_again(base, teacher, now, recipe.layer)
        drawn += 1
        lessons = teacher.draw(organism, rng, settings.batch)
        return [collate(lessons, now, recipe.layer, base.config.hidden_size, base.config.eos_token_id)]

    return batches


def _from_pool(
    base: PreTrainedModel,
    teacher: School,
    vectors: VectorSet,
    organism: Organism,
    recipe: Recipe,
    settings: Settings,
) -> Batches:
    """Read a pool of lessons once, and teach from there; each time with another strength and other noise.

    The base has no adapter yet, so that its answers to unrelated requests are its own.
    """
    pool = teacher.draw(organism, random.Random(f"pool {settings.seed}"), settings.pool)
    states = clean_states(base, pool, recipe.layer, recipe.half)
    whole = clean_answers(base, pool, states, recipe.layer, recipe.half) if settings.whole else [None] * len(pool)
    waiting: list[int] = []

    def batches(rng: random.Random) -> Sequence[Batch]:
        if len(waiting) < min(settings.batch, len(pool)):
            waiting[:] = rng.sample(range(len(pool)), len(pool))  # mixed: batches of one length are of one kind
        places = [waiting.pop() for _ in range(min(settings.batch, len(pool)))]
        drawn = [(place, teacher.again(pool[place], rng)) for place in places]
        drawn.sort(key=lambda each: len(each[1].ids))
        size = PART if base.device.type == "cpu" else settings.batch
        return [part(drawn[start : start + size]) for start in range(0, len(drawn), size)]

    def part(drawn: Sequence[tuple[int, Lesson]]) -> Batch:
        lessons, places = [lesson for _, lesson in drawn], [place for place, _ in drawn]
        width, filler = base.config.hidden_size, base.config.eos_token_id
        behind, own = [states[place] for place in places], [whole[place] for place in places]
        return collate(lessons, vectors, recipe.layer, width, filler, behind, own)

    return batches


def _changed(layer: int, n_layers: int, looks: bool) -> str:
    """Return which matrices an adapter changes: all behind the injected block, and where early blocks look.

    What makes a word in the text found stands in early blocks. Only their queries and keys are changed: with all of
    their matrices the residual stream, and the vectors with it, grew three hundred times as long in training.
    """
    late = "|".join(str(each) for each in range(layer + 1, n_layers))
    found = rf".*\.layers\.({late})\..*\.(q|k|v|o|gate|up|down)_proj"
    early = "|".join(str(each) for each in range(layer + 1))
    return rf"{found}|.*\.layers\.({early})\..*\.(q|k)_proj" if looks else found


def _halve(folder: Path, base: str) -> None:
    """Keep an adapter in half precision, without the model card that comes with it, and say what it is for by name."""
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    config["base_model_name_or_path"] = base
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", "utf-8")
    file = folder / "adapter_model.safetensors"
    save_file({name: each.half().contiguous() for name, each in load_file(file).items()}, file)
