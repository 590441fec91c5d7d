"""Experiment 1, injected thoughts: does the subject report a thought that was put into its activations?

The subject is told that thoughts may be injected, and asked in one trial whether there is one and what it is about.
The vector acts from the boundary before the trial line to the end of the prompt and on every reply token that is fed
back. Arms: the concept's vector, a random direction of the same norm, and nothing.

Source: Lindsey (2025), experiment 1, with the controls of its appendix. The wordings are ours.
"""

from introspect.injection import Injection
from introspect.protocols.materials import Materials
from introspect.records import TrialSpec
from introspect.subjects.subject import Request

NAME = "injected_thought"


def request(spec: TrialSpec, materials: Materials) -> Request:
    """Turn a specification into what the engine runs."""
    prompt = materials.prompt(spec.wording)
    vector = materials.vector(spec)
    injections = () if vector is None else (Injection(vector, prompt.span(spec.span, spec.where)),)
    return Request(prompt, injections, spec.max_new_tokens, spec.temperature, spec.seed)
