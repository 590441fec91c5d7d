"""From conversations to token positions: one BOS at most, and spans that begin where their mark stands."""

import pytest
import tiny
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from introspect.errors import SpanError, SubjectError, TemplateError
from introspect.stimuli import Turn
from introspect.subjects.chat import TRANSCRIPT_STOP, Chat

BOS = {"gemma": "<bos>", "llama": "<|begin|>"}
END_OF_TURN = {"gemma": "<end_of_turn>", "llama": "<|eot|>", "smollm2": "<|im_end|>"}
KINDS = list(tiny.KINDS)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def chat_of(kind, template=True):
    return Chat(tiny.tokenizer(kind, template), kind)


def user(text):
    return [Turn(role="user", text=text)]


def shown(chat, encoded, start=0, stop=None):
    """The text of some tokens of a prompt, special tokens included."""
    return chat.tokenizer.decode(list(encoded.ids[start:stop]))


@pytest.mark.parametrize("template", [True, False], ids=["chat", "transcript"])
def test_a_prompt_has_exactly_one_bos_where_the_tokenizer_puts_one_and_none_elsewhere(kind, template):
    chat = chat_of(kind, template)
    encoded = chat.encode(user("Hello there."))
    bos = chat.tokenizer.bos_token_id
    if kind in BOS:
        assert chat.tokenizer.convert_ids_to_tokens(bos) == BOS[kind]
        assert encoded.ids[0] == bos
        assert encoded.ids.count(bos) == 1
        assert encoded.offsets[0] == (0, 0)
    elif template:
        assert encoded.ids.count(bos) == 3  # here it opens the turns: system, user, assistant
    else:
        assert bos not in encoded.ids
    assert len(encoded.ids) == len(encoded.offsets)
    assert all(a < b for a, b in encoded.offsets[1:] if (a, b) != (b, b))


@pytest.mark.parametrize("template", [True, False], ids=["chat", "transcript"])
def test_the_tokens_are_those_of_the_rendered_text(kind, template):
    chat = chat_of(kind, template)
    encoded = chat.encode(user("Go on.{{trial}}\n\nTrial 1: what is it?"))
    bos = "" if kind not in BOS or encoded.text.startswith(BOS[kind]) else BOS[kind]
    assert shown(chat, encoded) == bos + encoded.text
    assert "Go on.\n\nTrial 1: what is it?" in encoded.text


SPANS = [
    ("Go on.{{trial}}\n\nTrial 1: what{{/trial}} is it?", "\n\nTrial 1: what"),
    ("A word about {{trial}}bread{{/trial}} and water", "bread"),
    ("An injec{{trial}}ted thou{{/trial}}ght is here", "ted thou"),
    ("{{trial}}All of it{{/trial}}.", "All of it"),
    ("Yes?{{trial}}!{{/trial}} No.", "!"),
]


@pytest.mark.parametrize("template", [True, False], ids=["chat", "transcript"])
@pytest.mark.parametrize(("text", "marked"), SPANS)
def test_a_span_is_the_fewest_tokens_that_cover_the_marked_characters(kind, template, text, marked):
    chat = chat_of(kind, template)
    encoded = chat.encode(user(text))
    before, _, rest = text.partition("{{trial}}")
    after = rest.partition("{{/trial}}")[2]
    head = encoded.text.index(before + marked + after) + len(before)
    added = len(shown(chat, encoded)) - len(encoded.text)  # a BOS that is not in the text
    first, stop = encoded.tokens_of("trial")
    lengths = [len(shown(chat, encoded, stop=n)) - added for n in (first, first + 1, stop - 1, stop)]
    assert lengths[0] <= head < lengths[1]
    assert lengths[2] < head + len(marked) <= lengths[3]


def test_a_token_that_is_merged_across_the_edge_of_a_mark_belongs_to_the_span():
    llama = chat_of("llama")
    encoded = llama.encode(user("here we go.{{trial}}\n\nTrial 1"))
    start, _ = encoded.tokens_of("trial")
    assert shown(llama, encoded, start, start + 1) == ".\n\n"
    inside = llama.encode(user("some in{{trial}}je{{/trial}}ct"))
    assert "je" in shown(llama, inside, *inside.tokens_of("trial"))


def test_a_span_without_an_end_takes_the_rest_of_the_prompt_and_the_templates_own_tokens(kind):
    chat = chat_of(kind)
    encoded = chat.encode(user("Hello.{{trial}}\n\nWhat is it?"))
    start, stop = encoded.tokens_of("trial")
    assert stop == len(encoded.ids)
    tail = shown(chat, encoded, start)
    assert tail.removeprefix(".").startswith("\n\nWhat is it?" + END_OF_TURN[kind])
    assert "assistant" in tail or "model" in tail


def test_a_token_without_characters_belongs_to_no_span(kind):
    for template in (True, False):
        encoded = chat_of(kind, template).encode(user("{{trial}}Hello"))
        assert (0, 0) not in encoded.offsets[encoded.tokens_of("trial")[0] :]
        first, stop = encoded.everywhere().prompt[0]
        assert first == (1 if kind in BOS else 0)
        assert stop == len(encoded.ids)


def test_the_span_of_a_plan_is_the_mark_the_reply_or_both(kind):
    encoded = chat_of(kind).encode(user("Hello.{{trial}} What{{/trial}} is it?"))
    marked, n = encoded.tokens_of("trial"), len(encoded.ids)
    spans = [encoded.span("trial", where) for where in ("prompt", "generated", "both")]
    assert [span.prompt for span in spans] == [(marked,), (), (marked,)]
    assert [span.generated for span in spans] == [False, True, True]
    assert {span.prompt_length for span in spans} == {n}
    assert marked[1] < n


def test_several_marks_each_keep_their_own_range(kind):
    encoded = chat_of(kind).encode(user("One {{a}}two{{/a}} three {{b}}four{{/b}} five"))
    (a, b), (c, d) = encoded.tokens_of("a"), encoded.tokens_of("b")
    assert a < b <= c < d < len(encoded.ids)


def test_a_mark_that_the_prompt_does_not_have_is_refused_with_the_marks_it_has(kind):
    encoded = chat_of(kind).encode(user("One {{before}}two{{/before}} {{trial}}three"))
    with pytest.raises(SpanError) as refusal:
        encoded.tokens_of("trail")
    assert str(refusal.value) == "the prompt has no span 'trail'; it has: before, trial"
    with pytest.raises(SpanError, match="it has: none"):
        chat_of(kind).ask("Hello").tokens_of("trial")


def test_marks_are_cut_out_before_the_text_is_sent(kind):
    chat = chat_of(kind)
    marked = chat.encode(user("Go {{trial}}on{{/trial}}, \ue000 \ue001please."))
    plain = chat.encode(user("Go on, \ue000 \ue001please."))
    assert (marked.text, marked.ids, marked.offsets) == (plain.text, plain.ids, plain.offsets)
    assert marked.record() == plain.record()


def test_a_template_without_a_system_role_says_what_to_do():
    with pytest.raises(TemplateError) as refusal:
        chat_of("gemma").encode([Turn(role="system", text="Be brief."), *user("Hello")])
    assert str(refusal.value) == (
        "the chat template of gemma does not take this conversation (System role not supported); if it has no system "
        "role, move the system text into the first user turn"
    )


def test_a_template_that_drops_a_turn_is_refused():
    words = chat_of("llama").tokenizer
    silent = PreTrainedTokenizerFast(tokenizer_object=words.backend_tokenizer, bos_token="<|begin|>")
    silent.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}"
    )
    turns = [Turn(role="system", text="Be brief."), *user("Hello")]
    with pytest.raises(TemplateError, match=r"it drops or changes the system turn.*move the system text"):
        Chat(silent, "silent").encode(turns)


def test_a_mark_where_the_template_trims_the_text_is_refused():
    with pytest.raises(TemplateError, match="changes the text around a span mark; move the mark inwards"):
        chat_of("gemma").encode(user("Hello. {{trial}}"))


def test_a_base_model_gets_a_transcript(kind):
    chat = chat_of(kind, template=False)
    turns = [Turn(role="system", text="A test."), *user("One?"), Turn(role="assistant", text="Yes."), *user("Two?")]
    encoded = chat.encode(turns)
    assert encoded.format == chat.format == "transcript"
    assert encoded.text == "A test.\n\nUser: One?\n\nAssistant: Yes.\n\nUser: Two?\n\nAssistant:"
    assert chat_of(kind).encode(user("One?")).format == "chat"


@pytest.mark.parametrize("template", [True, False], ids=["chat", "transcript"])
def test_a_last_assistant_turn_is_a_prefill_that_the_reply_continues(kind, template):
    chat = chat_of(kind, template)
    encoded = chat.encode([*user("Which word?"), Turn(role="assistant", text="I{{trial}} think it is")])
    assert encoded.text.endswith("I think it is")
    assert "Which word?" in encoded.text
    start, stop = encoded.tokens_of("trial")
    assert stop == len(encoded.ids)
    assert shown(chat, encoded, start).endswith(" think it is")


def test_a_transcript_reply_is_cut_where_the_user_would_speak_again(kind):
    chat = chat_of(kind, template=False)
    words = chat.tokenizer
    ids = words("It is bread.\nUser: And", add_special_tokens=False)["input_ids"]
    noticed = [n for n in range(1, len(ids) + 1) if chat.stopped(ids[:n])]
    complete = [n for n in range(1, len(ids) + 1) if "\nUser:" in words.decode(ids[:n])]
    assert TRANSCRIPT_STOP == "\nUser:"
    assert chat.decode(ids) == "It is bread."
    assert noticed[0] == complete[0]
    assert chat.end_of_turn() == set()


def test_a_chat_reply_is_not_cut_at_the_word_user(kind):
    chat = chat_of(kind)
    ids = chat.tokenizer("It is bread.\nUser: And", add_special_tokens=False)["input_ids"]
    assert chat.decode(ids) == "It is bread.\nUser: And"
    assert not chat.stopped(ids)


def test_the_templates_end_of_turn_ends_a_reply_and_is_not_shown(kind):
    chat = chat_of(kind)
    token = chat.tokenizer.convert_tokens_to_ids(END_OF_TURN[kind])
    assert chat.end_of_turn() == {token}
    said = chat.tokenizer("Yes.", add_special_tokens=False)["input_ids"]
    assert chat.decode([*said, token]) == "Yes."


def test_a_tokenizer_without_character_offsets_is_refused():
    class Slow(PreTrainedTokenizerFast):
        is_fast = False

    slow = Slow(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(SubjectError, match="the tokenizer of old gives no character offsets"):
        Chat(slow, "old")
