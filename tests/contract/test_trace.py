"""nnsight: what is sent away is enough, a dry run of the remote path gives the same bits, the subject is left alone."""

import pytest
import tiny
import torch
import witness

from introspect.errors import SubjectError
from introspect.subjects.subject import Query
from introspect.subjects.trace import TraceSubject, remote_subject

PROMPTS = ["bread", "the ocean, and whatever else is large and wet"]


@pytest.fixture(scope="module")
def here():
    return TraceSubject(tiny.subject("llama"))


@pytest.fixture(scope="module")
def sent():
    return TraceSubject(tiny.subject("llama"), remote="local")


def requests(subject):
    return [
        tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 1) * 1.5, max_new_tokens=4),
        tiny.request(subject, tiny.MARKED[1], tiny.vector(subject, 3), temperature=1.0, seed=3, max_new_tokens=4),
    ]


def test_a_subject_is_left_bitwise_as_it_was():
    subject = tiny.load("llama")
    ids = torch.tensor([tiny.request(subject).prompt.ids])

    def state():
        with torch.inference_mode():
            logits = subject.model(ids).logits
        tensors = [(key, value.data_ptr()) for key, value in subject.model.state_dict().items()]
        return logits, tensors, subject.model.config.to_dict(), "forward" in vars(subject.model)

    before = state()
    through = TraceSubject(subject)
    through.generate(requests(through))
    after = state()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert witness.n_hooks(subject.model) == 0
    ours = {parameter.data_ptr() for parameter in subject.model.parameters()}
    assert ours == {parameter.data_ptr() for parameter in through.traced._module.parameters()}


def test_a_trace_that_is_sent_and_read_back_gives_the_same_replies_and_audits(here, sent):
    expected, replies = here.generate(requests(here)), sent.generate(requests(sent))
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    assert [reply.audits for reply in replies] == [reply.audits for reply in expected]


def test_what_is_read_and_scored_by_a_trace_that_is_sent_has_the_same_bits(here, sent):
    assert torch.equal(here.read(PROMPTS), sent.read(PROMPTS))
    queries = [Query(one.prompt, one.injections, layers=(2,), whole=True) for one in requests(here)]
    for ours, theirs in zip(here.score(queries), sent.score(queries), strict=True):
        assert torch.equal(ours.distribution, theirs.distribution)
        assert torch.equal(ours.activations, theirs.activations)
        assert ours.audits == theirs.audits


def test_a_model_of_which_only_the_shape_is_here_answers_by_the_remote_path():
    name = str(tiny.folder("llama"))
    subject = remote_subject(name, remote="local")
    assert subject.model.device.type == "meta"
    plain = tiny.subject("llama")
    assert subject.identity.fingerprint != plain.identity.fingerprint
    expected = plain.generate(requests(plain))
    replies = subject.generate(requests(subject))
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    torch.testing.assert_close(subject.read(PROMPTS), plain.read(PROMPTS), **tiny.close(plain))


def test_without_a_key_for_ndif_there_is_one_sentence(monkeypatch):
    import nnsight

    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", None)
    with pytest.raises(SubjectError, match="is to run on NDIF, which wants a key: set NDIF_API_KEY"):
        remote_subject(str(tiny.folder("llama")))


def test_a_name_that_nobody_has_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(SubjectError, match="cannot be described for traces"):
        remote_subject(str(tmp_path / "nothing"), remote="local")


def test_a_run_says_where_its_traces_run(here, sent):
    assert here.engine.describe()["traces"] == "here"
    assert sent.engine.describe()["traces"] == "here, as if sent"
    assert here.engine.describe()["backend"] == "nnsight"
