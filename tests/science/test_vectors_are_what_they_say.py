"""Concept vectors of the embedded model against an independent computation, and what injecting them does."""

import pytest
import torch

import introspect

CONCEPTS = ("bread", "oceans", "silver")
BASELINE = ("tables", "letters", "clouds", "engines", "rivers", "doors", "winters", "papers")


@pytest.fixture(scope="module")
def extraction(smollm2):
    concepts = introspect.load_concepts(CONCEPTS)
    baseline = introspect.ConceptSet(words=BASELINE)
    return introspect.extract(smollm2, concepts, baseline, introspect.load_stimuli())


def last_token_of_every_block(model, tokenizer, word):
    """Plain transformers: one prompt at a time, no padding, no hook before the last block's output."""
    messages = [{"role": "user", "content": f"Please tell me something about {word}"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    last = {}
    # The hidden states that transformers returns end after the final norm; the last block's output is its input.
    handle = model.model.norm.register_forward_pre_hook(lambda module, args: last.update(residual=args[0][0, -1]))
    try:
        with torch.no_grad():
            states = model(ids, output_hidden_states=True).hidden_states
    finally:
        handle.remove()
    return torch.stack([*(state[0, -1] for state in states[1:-1]), last["residual"]])


def test_vectors_agree_with_plain_transformers_at_every_layer(extraction):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from introspect.subjects.gguf import embedded_gguf, unpacked

    folder = unpacked(embedded_gguf())
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    mean = torch.stack([last_token_of_every_block(model, tokenizer, word) for word in BASELINE]).mean(dim=0)
    for concept in CONCEPTS:
        wanted = last_token_of_every_block(model, tokenizer, concept) - mean
        found = extraction.vectors.directions[concept]
        assert found.shape == wanted.shape == (30, 576)
        assert found.dtype == torch.float32
        assert torch.cosine_similarity(found, wanted, dim=-1).min() > 0.9999
        torch.testing.assert_close(found.norm(dim=-1), wanted.norm(dim=-1), rtol=1e-3, atol=1e-3)


def test_the_embedded_model_is_the_one_it_says_and_speaks(smollm2):
    assert (smollm2.identity.n_layers, smollm2.identity.d_model, smollm2.identity.format) == (30, 576, "chat")
    reply = smollm2.ask("What is the capital of France?", temperature=0, max_new_tokens=20)
    assert "Paris" in reply.text


def test_a_concept_vector_raises_the_words_of_its_concept_more_than_a_random_vector_of_its_norm(smollm2, extraction):
    """The predicted effect of an injection: the concept leaks into the next word; a random direction does not do it."""
    from introspect.injection import Injection
    from introspect.injector import Injector
    from introspect.vectors.controls import random_matched

    prompt = smollm2.chat.ask("Say a word.")
    ids = torch.tensor([prompt.ids])
    layer = 20

    @torch.inference_mode()
    def log_probabilities(vector):
        rows = [[Injection(vector * 8.0, prompt.everywhere())]] if vector else [[]]
        with Injector(smollm2.blocks, rows) as injector:
            injector.at(torch.arange(len(prompt.ids))[None])
            return smollm2.model(ids).logits[0, -1].log_softmax(dim=-1)

    clean = log_probabilities(None)
    gains, controls = [], []
    for concept in CONCEPTS:
        token = smollm2.chat.tokenizer(f" {concept}", add_special_tokens=False).input_ids[0]
        vector = extraction.vectors.vector(concept, layer)
        gains.append(float(log_probabilities(vector)[token] - clean[token]))
        controls += [float(log_probabilities(random_matched(vector, draw))[token] - clean[token]) for draw in range(3)]
    assert sum(gains) / len(gains) > sum(controls) / len(controls) + 1.0
    assert min(gains) > sum(controls) / len(controls)


def test_at_the_last_layer_the_unembedding_reads_a_vector_as_its_own_word(smollm2, extraction):
    from introspect.vectors.diagnose import diagnose

    for diagnosis in diagnose(extraction, smollm2, layer=29):
        assert diagnosis.concept in {token.strip().lower() for token in diagnosis.top_tokens}
        assert diagnosis.split_half[29] > 0.5
        assert diagnosis.norm[29] == pytest.approx(float(extraction.vectors.vector(diagnosis.concept, 29).norm), 1e-4)
        assert all(cosine < 0.9 for _, cosine in diagnosis.nearest)
