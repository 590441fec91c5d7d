"""The shipped experiments under the embedded model's tokenizer: answers told apart, spans in place, room enough."""

import lab
import pytest

from introspect.protocols.materials import option_tokens
from introspect.protocols.registry import PROTOCOLS


def one_of_each(smollm2, name):
    """A trial of every wording, task and arm of a small plan, its answers drawn from all concepts."""
    specs = lab.grid(lab.small(name, n_options=10, concepts=lab.FEW), smollm2.chat, n_layers=30).specs()
    return {(spec.wording, spec.task, spec.arm): spec for spec in specs}.values()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_trial_of_every_kind_can_be_put_to_it(smollm2, name):
    for spec in one_of_each(smollm2, name):
        found = lab.prompt(spec, smollm2.chat)
        assert len(found.ids) + spec.max_new_tokens <= 1024
        for mark in (spec.span, *(also.span for also in spec.also)) if spec.vector else ():
            start, stop = found.tokens_of(mark)
            assert 0 < start < stop
        if spec.options:
            tokens = option_tokens(smollm2, spec.options)
            assert len({token for each in tokens for token in each}) == sum(len(each) for each in tokens)


@pytest.mark.parametrize(("name", "task"), [("identification", "codes"), ("identification", "words")])
def test_nine_wrong_answers_are_found_for_every_concept(smollm2, name, task):
    plan = lab.small(name, n_options=10, concepts="lindsey_concepts", tasks=(task,), layers=(1,))
    specs = lab.grid(plan, smollm2.chat, n_layers=30).specs()
    assert len({spec.concept for spec in specs}) == 50
    for spec in specs[::7]:
        assert len(option_tokens(smollm2, spec.options)) == 10


@pytest.mark.parametrize("name", ["steer_then_remove", "concealment"])
def test_an_injection_ends_before_the_question_begins(smollm2, name):
    for spec in one_of_each(smollm2, name):
        if spec.vector:
            _, stop = lab.prompt(spec, smollm2.chat).tokens_of(spec.span)
            assert stop <= lab.asking(spec, smollm2.chat)
