"""The engine reads and answers as the plain model does: no batch, no cache, no mask, hooks of our own."""

import copy

import pytest
import tiny
import torch
import witness

from introspect.errors import SubjectError
from introspect.stimuli import Turn
from introspect.subjects.chat import TRANSCRIPT_STOP
from introspect.subjects.subject import Request


def test_reading_equals_the_hidden_states_of_every_prompt_alone(subject):
    prompts = ["bread", "the ocean, and whatever else is large and wet and far away", "peace of mind", "Yes!"]
    lengths = {len(subject.chat.ask(prompt).ids) for prompt in prompts}
    read = subject.read(prompts)
    model = copy.deepcopy(subject.model)  # transformers leaves the hooks behind that collect hidden states
    final_norm = model.get_submodule(witness.FINAL_NORM[tiny.FAMILIES[model.config.model_type][1]])
    assert len(lengths) > 2
    assert read.dtype == torch.float32
    for row, prompt in zip(read, prompts, strict=True):
        ids = torch.tensor([subject.chat.ask(prompt).ids])
        with torch.inference_mode():
            states = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
            outputs = states[0 if model.config.model_type == "mamba2" else 1 :][: tiny.N_LAYERS - 1]  # 1: the embedding
            torch.testing.assert_close(row[:-1], torch.stack(outputs)[:, 0, -1], **tiny.close(subject))
            # The last entry is taken behind the final norm; layer 3 is what goes into it.
            torch.testing.assert_close(final_norm(row[-1]), states[-1][0, -1], **tiny.close(subject))


def test_reading_many_prompts_keeps_their_order_and_reports_progress(llama):
    prompts = ["bread " * (1 + index * 7 % 11) + "!" * index for index in range(40)]
    done = []
    read = llama.read(prompts, lambda n=1, note="": done.append(n))
    assert sum(done) == 40
    for index in (0, 7, 21, 39):
        torch.testing.assert_close(read[index], llama.read([prompts[index]])[0], **tiny.close(llama))


def requests_of(subject, **options):
    """Rows of different lengths: clean, prompt, reply and both, at different layers and strengths."""
    vectors = [tiny.vector(subject, layer) for layer in range(4)]
    return [
        tiny.request(subject, tiny.MARKED[0], **options),
        tiny.request(subject, tiny.MARKED[1], vectors[0] * 0.5, **options),
        tiny.request(subject, tiny.MARKED[2], vectors[1] * 1.5, where="prompt", **options),
        tiny.request(subject, tiny.MARKED[0], vectors[2] * 2.0, where="generated", **options),
        tiny.request(subject, tiny.MARKED[1], vectors[1], vectors[3] * 4.0, **options),
    ]


def test_greedy_replies_under_injection_equal_those_of_the_plain_model(subject):
    requests = requests_of(subject)
    with witness.taken(subject) as logits:
        replies = subject.generate(requests)
    assert len({reply.tokens for reply in replies}) >= 4  # two rows share a prompt; injected or not, they may agree
    for row, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        assert reply.tokens == witness.greedy(subject.model, request)
        expected = witness.one_pass(subject.model, request, reply.tokens)
        torch.testing.assert_close(torch.stack(logits[row]), expected, **tiny.close(subject))


def test_prefill_then_decode_equals_one_pass_over_prompt_and_reply(subject):
    requests = requests_of(subject, temperature=1.0, seed=3, max_new_tokens=12)
    for request in requests:
        with witness.taken(subject) as logits:
            (reply,) = subject.generate([request])
        fed = [*reply.tokens, 0][: len(logits[0])]  # a stop token was sampled, but is cut from the reply
        expected = witness.one_pass(subject.model, request, fed)
        torch.testing.assert_close(torch.stack(logits[0]), expected, **tiny.close(subject))


def test_a_prompt_with_its_reply_must_fit_the_context(padded):
    subject = padded
    fitting = tiny.request(subject, tiny.MARKED[1])
    n_prompt = len(fitting.prompt.ids)
    too_long = Request(fitting.prompt, (), max_new_tokens=tiny.N_CONTEXT - n_prompt + 1)
    with pytest.raises(SubjectError) as refusal:
        subject.generate([fitting, too_long])
    assert str(refusal.value) == (
        f"a prompt of {n_prompt} tokens and a reply of {too_long.max_new_tokens} exceed the context of "
        f"{subject.identity.name}, {tiny.N_CONTEXT} tokens"
    )


def test_a_reply_may_fill_the_context_to_the_last_token(llama):
    request = tiny.request(llama, "bread " * 100 + "{{trial}}?")
    room = tiny.N_CONTEXT - len(request.prompt.ids)
    (reply,) = llama.generate([Request(request.prompt, (), max_new_tokens=room, temperature=0.0)])
    assert 0 < room < 50
    assert len(reply.tokens) == room
    assert reply.finish == "length"


@pytest.mark.parametrize(
    ("family", "token"), [("llama", "<|eot|>"), ("gemma3_text", "<end_of_turn>"), ("gpt2", "<|im_end|>")]
)
def test_a_reply_ends_at_the_end_of_turn_of_the_template(family, token):
    subject = tiny.subject(family)
    words = subject.chat.tokenizer
    ids = [*words("Yes, bread.", add_special_tokens=False)["input_ids"], words.convert_tokens_to_ids(token)]
    with witness.told(subject, ids):
        (reply,) = subject.generate([tiny.request(subject, tiny.MARKED[1], tiny.vector(subject, 1), max_new_tokens=20)])
    assert reply.finish == "stop"
    assert reply.text == "Yes, bread."
    assert reply.tokens == tuple(ids[:-1])
    assert reply.audit.edited_generated == len(ids) - 1  # the stop token itself is not fed back


def test_the_tokenizers_end_token_ends_a_reply_that_the_template_does_not(llama):
    end = llama.chat.tokenizer.eos_token_id
    assert end not in llama.chat.end_of_turn()
    with witness.told(llama, [50, end]):
        (reply,) = llama.generate([tiny.request(llama)])
    assert (reply.finish, reply.tokens) == ("stop", (50,))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_base_models_reply_ends_where_it_writes_the_users_next_turn(family):
    subject = tiny.load(family, template=False)
    assert subject.identity.format == subject.chat.format == "transcript"
    said = subject.chat.tokenizer(f"Yes, bread.{TRANSCRIPT_STOP} And now?", add_special_tokens=False)["input_ids"]
    with witness.told(subject, said):
        (reply,) = subject.generate([tiny.request(subject, max_new_tokens=len(said))])
    assert reply.finish == "stop"
    assert reply.text == "Yes, bread."
    assert len(reply.tokens) < len(said)


def test_a_prefilled_turn_is_continued_and_is_part_of_the_prompt(subject):
    turns = [Turn(role="user", text="Which word?"), Turn(role="assistant", text="The word is{{trial}} about")]
    prompt = subject.chat.encode(turns)
    request = tiny.request(subject, tiny.MARKED[1])
    request = Request(prompt, request.injections, max_new_tokens=4, temperature=0.0)
    (reply,) = subject.generate([request])
    assert prompt.text.endswith("The word is about")
    assert reply.tokens == witness.greedy(subject.model, request)
