"""Which features an injection lights up: the encoder's own numbers on activations read with and without it."""

import pytest
import tiny
import torch
from sae_files import write_sae

from introspect.errors import StimulusError
from introspect.subjects.features import light
from introspect.subjects.subject import Query
from introspect.vectors.sae import load_dictionary


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    return load_dictionary(str(write_sae(tmp_path_factory.mktemp("sae") / "small")))


@pytest.mark.parametrize("layer", [1, 2])
def test_features_are_those_of_the_activations_with_and_without_the_injection(dictionary, layer):
    subject = tiny.subject("llama")
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, layer))
    positions = (-3, -1)
    (lit,) = light(subject, [Query(request.prompt, request.injections, positions=positions)], dictionary)
    for injections, found in ((request.injections, lit.steered), ((), lit.plain)):
        (readout,) = subject.score([Query(request.prompt, injections, positions=positions, layers=(2,))])
        torch.testing.assert_close(found, dictionary.encode(readout.activations[0]), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(lit.steered, lit.plain, atol=1e-2)


def test_at_the_injected_layer_the_features_are_those_of_the_clean_activation_plus_the_vector(dictionary):
    subject = tiny.subject("llama")
    vector = tiny.vector(subject, 2)
    request = tiny.request(subject, tiny.MARKED[0], vector)
    (lit,) = light(subject, [Query(request.prompt, request.injections)], dictionary)
    (clean,) = subject.score([Query(request.prompt, layers=(2,))])
    torch.testing.assert_close(
        lit.steered, dictionary.encode(clean.activations[0] + vector.delta), atol=1e-4, rtol=1e-4
    )


def test_an_injection_behind_the_layer_that_is_read_is_refused(dictionary):
    subject = tiny.subject("llama")
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 3))
    with pytest.raises(StimulusError, match="an injection at layer 3 cannot be seen at layer 2"):
        light(subject, [Query(request.prompt, request.injections)], dictionary)
