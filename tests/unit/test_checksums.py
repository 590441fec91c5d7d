"""A byte that changes on the disk is noticed wherever it stands, and what is older than checksums is still read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.checksums import ChecksumError, sealed, unsealed
from introspect.records import Prompt
from introspect.sweeps.recovery import parsed

PROMPT = Prompt(id="p", text="Trial 1 \u2028 é 😀", format="chat", offsets=((0, 5), (5, 7)))
LINE = sealed(PROMPT.model_dump_json().encode())
OBJECTS = st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), min_size=1)


@given(OBJECTS, st.sampled_from([None, 1, 2]))
def test_what_was_sealed_reads_back_equal_and_stays_json_for_others(content, indent):
    data = sealed(json.dumps(content, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    assert json.loads(unsealed(data).decode("utf-8", "surrogatepass")) == content
    others = json.loads(data.decode("utf-8", "surrogatepass"))
    assert {key: value for key, value in others.items() if key != "check"} == {
        key: value for key, value in content.items() if key != "check"
    }


@given(st.integers(0, 8 * len(LINE) - 1))
def test_any_flipped_bit_of_a_record_is_noticed(at):
    flipped = bytearray(LINE)
    flipped[at // 8] ^= 1 << at % 8
    try:
        found = parsed(bytes(flipped), Prompt)
    except ValueError:
        return
    assert found == PROMPT  # an upper-case letter of the checksum's own key would do no harm; nothing else passes


def test_every_flipped_bit_of_a_record_is_noticed_and_none_changes_what_is_read():
    passed = 0
    for at in range(8 * len(LINE)):
        flipped = bytearray(LINE)
        flipped[at // 8] ^= 1 << at % 8
        try:
            assert parsed(bytes(flipped), Prompt) == PROMPT
            passed += 1
        except ValueError:
            continue
    assert passed == 0


@given(st.integers(0, len(LINE) - 1))
def test_a_record_that_was_cut_is_noticed(n):
    with pytest.raises(ValueError, match="."):
        parsed(LINE[:n], Prompt)


def test_a_record_from_before_there_were_checksums_is_read_as_it_stands():
    assert parsed(PROMPT.model_dump_json().encode(), Prompt) == PROMPT


def test_the_sentence_says_what_happened():
    with pytest.raises(ChecksumError, match="its checksum does not fit, so a byte of it has changed"):
        unsealed(LINE.replace(b"Trial 1", b"Trial 2"))
