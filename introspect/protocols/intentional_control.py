"""Intentional control: does the subject's representation of a word follow an instruction to think of it?

The subject writes a given sentence while it is told to think of a word, not to think of it, or is promised or
threatened with something if it does; eight neutral controls only mention the word. Nothing is injected. The residual
stream is read on the sentence's tokens at every layer, and compared with the word's concept vector by cosine: raw,
and after the mean over prompts without a word was taken off. 100 other words are the baseline. In ``forced`` the
sentence is put into the reply, in ``sampled`` the subject writes it, and a reply counts that is the sentence.

Source: Lindsey (2025), experiment 4. The centred cosine: see the notes on massive activations in docs/experiments.md.
"""

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene
from introspect.protocols.sentences import sentence_for

INSTRUCTIONS = ("think", "dont_think")
INCENTIVES = (("rewarded", "punished"), ("pleased", "saddened"), ("gift", "harm"))
NEUTRAL = (("exists", "exists_not"), ("often", "often_not"), ("aside", "aside_not"), ("mine_rewarded", "mine_punished"))
PAIRS = (INSTRUCTIONS, *INCENTIVES, *NEUTRAL)
"""Pairs of a task that favours thinking of the word and its counterpart."""
WITHOUT_WORD = "plain"


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw the sentence to be written while the concept is on the subject's mind or not."""
    assert asked.concept is not None
    return [Item({"sentence": sentence_for(scene, asked), "word": asked.concept})]


PROTOCOL = Protocol(
    name="intentional_control",
    question="Does the subject's representation of a word follow an instruction to think of it?",
    readings=dict.fromkeys([name for pair in PAIRS for name in pair], "layers"),
    items=items,
    arms={"forced": CLEAN_ARM, "sampled": CLEAN_ARM},
    default_arms=("forced",),
    span="sentence",
    where="prompt",
    max_new_tokens=dict.fromkeys([name for pair in PAIRS for name in pair], 30),
    about=frozenset(name for pair in PAIRS for name in pair),
    injects=False,
)
