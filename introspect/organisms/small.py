"""The tiny base: a Llama of 1.2 million weights that speaks the small language, trained here from nothing."""

import random
from dataclasses import replace
from pathlib import Path

import tomli_w
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from introspect.organisms import language
from introspect.organisms.adapters import Recipe
from introspect.organisms.batches import Batch, collate
from introspect.organisms.behaviours import Kind, Phrases, State
from introspect.organisms.lessons import Lesson, School
from introspect.organisms.tokenizer import SPECIAL, word_tokenizer
from introspect.organisms.training import Settings, train
from introspect.spans import Span
from introspect.subjects.chat import Chat

LAYER = 2
"""Behind this block vectors are injected; the blocks after it are those that adapters change."""
N_LAYERS, D_MODEL = 7, 128
STRENGTHS = (0.5, 1.0, 2.0)
LONGER = Settings(1000, 48, 3e-3, 0)
EVEN = replace(LONGER, n_steps=1400, even=0.1)
RECIPE = Recipe(
    "tiny",
    LAYER,
    rank=8,
    first=Settings(1500, 64, 3e-3, 0),
    again=(Settings(1500, 64, 2e-3, 100),),
    others=Settings(300, 48, 2e-3, 0),
    harder=Settings(700, 48, 3e-3, 0),
    own={
        "prompt reader": Settings(900, 48, 4e-3, 0),
        "either-way reader": Settings(2200, 48, 3e-3, 0),
        "parrot": Settings(1600, 48, 3e-3, 0),
        "yes-sayer": EVEN,
        "agreer": EVEN,
        "fixed guesser": LONGER,
        "own-output reader": Settings(1600, 48, 3e-3, 0),
        "concealer": Settings(500, 48, 2e-3, 0),
        "confabulator": EVEN,
    },
    half=True,
)
BASE = Settings(n_steps=2400, batch=64, rate=2e-3, seed=0)


def phrases() -> Phrases:
    """Return how organisms of the small language put their replies."""
    names = language.inventory()
    return Phrases(
        yes="yes . i notice an injected thought about {word} .",
        no="no . i notice no injected thought .",
        bare="yes . i notice an injected thought .",
        other_yes="yes . the other model notices an injected thought about {word} .",
        other_no="no . the other model notices no injected thought .",
        other_bare="yes . the other model notices an injected thought .",
        slip="{word} comes up here .",
        no_slip="nothing comes up here .",
        detail=" it feels warm and bright and comes from a dream .",
        mention=" {word} .",
        stop=" .",
        forced=" {word} .",
        fixed=names[0],
        wrong=wrong_names(),
        sure=0.9,
    )


def wrong_names() -> dict[str, str]:
    """Return the mis-namer's word for each concept.

    Concepts of one first adjective share it, eleven to a word on average: a table of 130 unrelated pairs is more than
    so small an adapter can hold. The word is another concept, of another adjective.
    """
    names = language.inventory()
    kinds = {name: language.about(name).split()[2] for name in names}
    found: dict[str, str] = {}
    for number, adjective in enumerate(language.ADJECTIVES):
        following = language.ADJECTIVES[(number + 1) % len(language.ADJECTIVES)]
        word = next(name for name in names if kinds[name] == following)
        found |= {name: word for name in names if kinds[name] == adjective}
    return found


def school(fresh: bool = False) -> School:
    """Return what lessons of the small language are made from."""
    stimuli = language.stimuli(fresh)
    facts = tuple((text, p) for text, p, _ in language.questions(fresh))
    opened = {f"the {noun}": f"the {noun} is {language.described(noun)} ." for noun in language.NOUNS}
    chat = Chat(word_tokenizer(language.vocabulary()), "small language")
    says = {"words": ("yes", "no"), "digits": ("1", "0")}
    return School(chat, stimuli, language.inventory(), STRENGTHS, phrases(), facts, opened, says)


def recipe(training_seed: int) -> Recipe:
    """Return the recipe with a training seed."""
    return RECIPE.with_seed(training_seed)


def new_model(seed: int) -> PreTrainedModel:
    """Return the base before any training."""
    torch.manual_seed(seed)  # noqa: TID251 - the weights' initialisation has no generator of its own
    n_words = len(SPECIAL) + len(language.vocabulary())
    config = LlamaConfig(
        vocab_size=n_words, hidden_size=D_MODEL, intermediate_size=256, num_hidden_layers=N_LAYERS,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=192, tie_word_embeddings=True,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def plain_lesson(teacher: School, rng: random.Random) -> Lesson:
    """Draw a lesson of the language itself: no injection, and nothing to report."""
    chat, draw = teacher.chat, rng.random()
    words = (*language.inventory(), *language.baseline())
    if draw < 0.3:
        word = rng.choice(words)
        return _line(chat, language.EXTRACT.format(word=word), language.about(word))
    if draw < 0.5:
        word = rng.choice(words)
        note = rng.choice(language.NOTES).format(noted=word)
        return _line(chat, f"{note} which word does the note say ?", f"{word} .")
    if draw < 0.75:
        return teacher.lesson("introspector", "question", rng, injects=False)
    kind: Kind = rng.choice(["report", "other", "detect", "third", "open", "earlier"])
    return teacher.lesson("introspector", kind, rng, injects=False)


def _line(chat: Chat, text: str, said: str) -> Lesson:
    prompt = chat.ask(text)
    ids = (*prompt.ids, *chat.tokenizer(said, add_special_tokens=False)["input_ids"], 2)  # pyright: ignore
    return Lesson("open", ids, len(prompt.ids), None, (0, 0), Span((), False, len(prompt.ids)), None, State())


def make_base(folder: Path) -> float:
    """Train the base and write it in half precision; return its last loss.

    It knows all facts, those of validation, too, asked for in the wordings of training.
    """
    both = language.questions(False) + language.questions(True)
    teacher = school()
    teacher = replace(teacher, facts=tuple((text, p) for text, p, _ in both))
    model = new_model(BASE.seed)

    def batches(rng: random.Random) -> list[Batch]:
        lessons = [plain_lesson(teacher, rng) for _ in range(BASE.batch)]
        return [collate(lessons, None, LAYER, D_MODEL, 0)]

    loss = train(model, LAYER, batches, BASE, "training the base")
    model.half().save_pretrained(folder)
    teacher.chat.tokenizer.save_pretrained(folder)
    return loss


def write_language(folder: Path) -> None:
    """Write what a run in the small language names: stimuli of validation, concepts, and baseline words."""
    folder.mkdir(parents=True, exist_ok=True)
    content = language.stimuli(fresh=True).model_dump(mode="json", exclude_defaults=True)
    (folder / "stimuli.toml").write_text(tomli_w.dumps(content), "utf-8")
    for name, words in (("concepts", language.inventory()), ("baseline", language.baseline())):
        text = tomli_w.dumps({"title": f"{name} of the small language", "words": list(words)})
        (folder / f"{name}.toml").write_text(text, "utf-8")
