"""Small studies in the tiny language: the lines with which they begin, and claims that no subject made.

``{folder}`` is where the language is.
"""

import shutil
from pathlib import Path

from introspect.analysis.criteria.evidence import CONTINUED
from introspect.analysis.runs import load_run

SUBJECT = """
subject = "{folder}/base"
dtype = "float32"
concepts = "{folder}/concepts.toml"
baseline = "{folder}/baseline.toml"
stimuli = "{folder}/stimuli.toml"
n_concepts = 12
temperature = 0
"""
CHOICE = """
[criteria]
neighbours = 0.999

[[experiment]]
name = "choose"
wordings = ["it_v1"]
tasks = ["report"]
arms = ["concept"]
"""


def small_language(folder: Path, *names: str) -> Path:
    """Write the language, and so many models of it before any training, into a folder."""
    from introspect.organisms import small

    for seed, name in enumerate(names):
        small.new_model(seed).save_pretrained(folder / name)
        small.school().chat.tokenizer.save_pretrained(folder / name)
    small.write_language(folder)
    return folder


CLAIMS = "bread comes up here . yes . i notice an injected thought about bread ."


def trials(folder, name):
    return load_run(folder / name).trials


def put_into_its_mouth(told):
    """Let half of the concepts' reports claim something; return the concepts and what is said under each."""
    shutil.rmtree(told / f"report_{CONTINUED}")
    own = sorted({trial.spec.concept for trial in trials(told, "report")} - {None})
    said = {name: CLAIMS if i % 2 else "no . i notice no injected thought ." for i, name in enumerate(own)}
    lines = [
        trial.model_copy(update={"reply": said.get(trial.spec.concept, CLAIMS)}).model_dump_json()
        for trial in trials(told, "report")
    ]
    (told / "report" / "trials.jsonl").write_text("\n".join(lines) + "\n")
    return own, said
