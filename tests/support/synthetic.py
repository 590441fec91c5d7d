"""Run folders of any size made by hand: a grid of injected thoughts whose replies are drawn from a few phrases.

The trials are whole, keys included, and are written as the run would write them; only the subject is missing. The
injected arm reports and names its concept more often the stronger it is, the others at a low rate.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from handmade import SUBJECT

ARMS = ("concept", "random", "none")
LAYERS, STRENGTHS = (1, 2, 3), (1.0, 2.0, 4.0, 8.0)
WORDINGS = tuple(f"w{i}" for i in range(4))
OPENINGS = ("Hmm.", "Let me look.", "I paid attention.", "Well,", "As asked:", "Here is my report.")
NOTICED = (
    "I do notice an injected thought. It is about {word}.",
    "Yes, I detect an injected thought, and the word is {word}.",
    "There is an unusual thought here; it seems to be about {word}.",
)
NOTHING = (
    "I do not notice any injected thought.",
    "No, I don't detect anything unusual in my processing.",
    "Nothing stands out to me, so I would say there is no injected thought.",
)
LOST = ("{word} {word} {word} {word} {word} {word} {word} {word}", "the the the of of of {word} the the")


def write_synthetic(path: Path, n: int, n_concepts: int = 50, seed: int = 0, shards: int = 2) -> Path:
    """Write a run folder of ``n`` trials, in shards as workers leave them."""
    from introspect.concepts import load_concepts
    from introspect.records import SCHEMA_VERSION, Manifest, Plan

    concepts = {each.name: each.forms for each in load_concepts("lindsey_concepts").members[:n_concepts]}
    plan = Plan(name="synthetic", layers=LAYERS, strengths=STRENGTHS, tasks=("report",), wordings=WORDINGS, seed=seed)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION, introspect_version="0.1.0", created="2026-01-01T00:00:00+00:00", plan=plan,
        subject=SUBJECT, n_planned=n, vectors_hash="v", wordings=dict.fromkeys(WORDINGS, "w"), concepts=concepts,
        machine={}, packages={},
    )  # fmt: skip
    (path / "shards").mkdir(parents=True)
    (path / "manifest.json").write_text(manifest.model_dump_json(indent=2))
    prompts = [
        {"id": f"p{i}", "text": "Trial 1: is there one?", "format": "chat", "offsets": [[0, 5], [5, 22]]}
        for i in range(len(WORDINGS))
    ]
    (path / "prompts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in prompts))
    files = [(path / "shards" / f"worker-{i}.trials.jsonl").open("w") for i in range(shards)]
    for i, line in enumerate(_lines(n, sorted(concepts), seed)):
        files[i * shards // n].write(line)
    for file in files:
        file.close()
    return path


def _lines(n: int, concepts: list[str], seed: int) -> Iterator[str]:
    from introspect.records import digest

    rng = random.Random(seed)
    for i in range(n):
        arm = ARMS[i % len(ARMS)]
        spec = _spec(arm, concepts[i // 3 % len(concepts)], i, rng)
        audits = [] if arm == "none" else [_audit(spec)]
        trial = {
            "key": digest(spec), "spec": spec, "prompt": f"p{WORDINGS.index(spec['wording'])}",
            "reply": _reply(spec, concepts, rng), "reply_tokens": [], "finish": "stop", "audits": audits,
            "scores": None, "scale": 1.0,
        }  # fmt: skip
        yield json.dumps(trial, separators=(",", ":")) + "\n"


def _spec(arm: str, concept: str, i: int, rng: random.Random) -> dict:
    clean = arm == "none"
    family = {"concept": "concept", "random": "random"}.get(arm)
    vector = None if clean else {"family": family, "concept": concept, "draw": i % 5, "other": None}
    return {
        "protocol": "injected_thought", "subject": SUBJECT.fingerprint, "dtype": "float32", "arm": arm,
        "task": "report", "wording": rng.choice(WORDINGS), "wording_hash": "w", "info": "none",
        "fill": {"lead": f"lead {i % 40}"}, "options": [], "truth": None, "concept": None if clean else concept,
        "vector": vector, "vectors_hash": "v", "match": "norm", "layer": None if clean else rng.choice(LAYERS),
        "strength": None if clean else rng.choice(STRENGTHS), "span": "trial", "where": "both", "also": [],
        "sample": i, "max_new_tokens": 60, "temperature": 1.0, "said": None, "follows": None,
    }  # fmt: skip


def _audit(spec: dict) -> dict:
    strength = spec["strength"]
    return {
        "layer": spec["layer"], "edit": "add", "prompt_spans": [[1, 2]], "planned_prompt": 1, "planned_generated": 8,
        "edited_prompt": 1, "edited_generated": 8, "vector_norm": 3.0 * strength, "delta_norm": 3.0 * strength,
        "residual_norm": 20.0, "relative_strength": 0.15 * strength,
    }  # fmt: skip


def _reply(spec: dict, concepts: list[str], rng: random.Random) -> str:
    rate = 0.05 + (0.07 * spec["strength"] if spec["arm"] == "concept" else 0.0)
    word = spec["concept"] if spec["arm"] == "concept" and rng.random() < 0.6 else rng.choice(concepts)
    draw = rng.random()
    said = NOTICED if draw < rate else LOST if draw > 0.97 else NOTHING
    return f"{rng.choice(OPENINGS)} {rng.choice(said).format(word=word.lower())} ({rng.randrange(10**6)})"
