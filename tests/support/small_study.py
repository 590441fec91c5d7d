"""Small studies in the tiny language: the lines with which they begin, and claims that no subject made.

``{folder}`` is where the language is.
"""

import shutil

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
