"""The lines with which every small study in the tiny language begins; ``folder`` is where the language is."""

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
