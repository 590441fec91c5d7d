"""Concept vectors in the formats of repeng, llama.cpp and steering_vectors: the same numbers at the same blocks.

The fixtures are what those packages wrote, in the environment of ``make compat``.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from introspect.errors import IntrospectError, LayerError, ShapeError, StimulusError, UnknownNameError
from introspect.records import SubjectIdentity
from introspect.vectors.control_vector import as_vectors, read_control_vector, write_control_vector
from introspect.vectors.imported import from_directions
from introspect.vectors.steering import from_steering_vector, to_steering_vector
from introspect.vectors.vector import load_vectors

FIXTURES = Path(__file__).parents[1] / "compat" / "fixtures"
N_LAYERS, D_MODEL = 4, 8


def identity(n_layers: int = N_LAYERS, d_model: int = D_MODEL) -> SubjectIdentity:
    return SubjectIdentity(
        name="tiny", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=n_layers, d_model=d_model
    )


def ours(*names: str, layers=range(N_LAYERS)):
    noise = torch.randn(len(names), N_LAYERS, D_MODEL, generator=torch.Generator().manual_seed(3))
    rows = {name: {layer: noise[i, layer] for layer in layers} for i, name in enumerate(names)}
    return from_directions(rows, identity(), "sae", "drawn by a test")


@dataclass
class Theirs:
    """The two attributes that a ``SteeringVector`` has."""

    layer_activations: dict
    layer_type: str = "decoder_block"


def gguf(path: Path, tensors=None, architecture="controlvector", **fields) -> Path:
    """A control vector by the format's own library, right or wrong."""
    from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture)
    for name, value in fields.items():
        add = writer.add_string if isinstance(value, str) else writer.add_uint32
        add(f"controlvector.{name}", value)
    for name, tensor in (tensors if tensors is not None else {"direction.1": torch.ones(D_MODEL)}).items():
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_what_repeng_wrote_is_read_number_by_number_at_the_blocks_that_it_means():
    wanted = json.loads((FIXTURES / "repeng.json").read_text())
    found = read_control_vector(FIXTURES / "repeng.gguf")
    assert found.model_hint == "llama"
    assert list(found.directions) == [1, 2, 3]
    for layer, row in found.directions.items():
        assert row.dtype == torch.float32
        assert torch.equal(row, torch.tensor(wanted[str(layer)]))
    vectors = as_vectors({"Bread": found}, identity())
    assert torch.equal(vectors.vector("bread", 2).direction, torch.tensor(wanted["2"]))
    assert vectors.vector("bread", 2).subject == "f" * 32


def test_a_file_comes_back_as_it_was_but_for_block_0_which_llama_cpp_does_not_take(tmp_path):
    vectors = ours("bread", "silver")
    write_control_vector(vectors, "bread", tmp_path / "bread.gguf")
    found = read_control_vector(tmp_path / "bread.gguf")
    assert found.model_hint == "tiny"
    assert list(found.directions) == [1, 2, 3]
    for layer, row in found.directions.items():
        assert torch.equal(row, vectors.directions["bread"][layer])
    assert [file.name for file in tmp_path.iterdir()] == ["bread.gguf"]


def test_the_format_s_own_library_reads_what_was_written(tmp_path):
    from gguf import GGUFReader

    write_control_vector(ours("bread"), "bread", tmp_path / "bread.gguf", "qwen2")
    reader = GGUFReader(tmp_path / "bread.gguf")
    assert reader.fields["general.architecture"].contents() == "controlvector"
    assert reader.fields["controlvector.model_hint"].contents() == "qwen2"
    assert reader.fields["controlvector.layer_count"].contents() == 3
    assert {each.name: tuple(each.data.shape) for each in reader.tensors} == {
        f"direction.{layer}": (D_MODEL,) for layer in (1, 2, 3)
    }


def test_what_cvector_generator_wrote_is_put_back_at_the_block_that_it_was_read_from(tmp_path):
    """It names the output of block N − 1 ``direction.N``, and llama.cpp adds that at block N."""
    path = gguf(tmp_path / "one.gguf", {"direction.3": torch.ones(D_MODEL)})
    assert list(read_control_vector(path).directions) == [3]
    assert list(read_control_vector(path, made_by="cvector-generator").directions) == [2]


def test_a_layer_that_a_file_lacks_is_missing_and_not_zero(tmp_path):
    vectors = as_vectors({"bread": read_control_vector(FIXTURES / "repeng.gguf")}, identity())
    vectors.save(tmp_path / "vectors.safetensors")
    kept = load_vectors(tmp_path / "vectors.safetensors")
    with pytest.raises(StimulusError, match=r"no vector of 'bread' at layer 0: .*repeng\.gguf .* has layers 1, 2, 3"):
        kept.vector("bread", 0)
    assert kept.vector("bread", 1).norm > 0
    write_control_vector(kept, "bread", tmp_path / "again.gguf")
    assert list(read_control_vector(tmp_path / "again.gguf").directions) == [1, 2, 3]


def test_vectors_of_the_same_names_and_other_numbers_are_told_apart_by_their_hash():
    one, other = ours("bread"), ours("bread")
    assert one.provenance.digest == other.provenance.digest
    moved = from_directions({"bread": dict(enumerate(one.directions["bread"] * 2))}, identity(), "sae", "elsewhere")
    assert moved.provenance.digest != one.provenance.digest


WRONG_FILES = {
    "another kind of file": ({"architecture": "llama"}, "a GGUF file of 'llama', not a control vector"),
    "no direction": ({"tensors": {}}, "has no direction"),
    "a direction for block 0": ({"tensors": {"direction.0": torch.ones(8)}}, "direction.1, direction.2 and so on"),
    "a name that is no number": ({"tensors": {"direction.one": torch.ones(8)}}, "a tensor 'direction.one'"),
    "another dtype": ({"tensors": {"direction.1": torch.ones(8).half()}}, "'direction.1' is float16; only float32"),
    "a matrix": ({"tensors": {"direction.1": torch.ones(2, 8)}}, r"not vectors of one width: \(2, 8\)"),
    "two widths": (
        {"tensors": {"direction.1": torch.ones(8), "direction.2": torch.ones(6)}},
        r"not vectors of one width: \(6,\), \(8,\)",
    ),
    "fewer than it says": ({"layer_count": 3}, "says it has 3 directions and has 1"),
    "not a number": (
        {"tensors": {"direction.1": torch.full((8,), math.nan)}},
        "not finite in the direction of block 1",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_file_that_is_no_control_vector_is_refused_in_one_sentence(tmp_path, case):
    options, sentence = WRONG_FILES[case]
    path = gguf(tmp_path / "wrong.gguf", **options)
    with pytest.raises(StimulusError, match=sentence) as refused:
        read_control_vector(path)
    assert "wrong.gguf" in str(refused.value)
    assert "\n" not in str(refused.value)


def named(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


HEAD = b"GGUF" + struct.pack("<I", 3)
HOSTILE = {
    "not GGUF": (b"PK\x03\x04 and more", "begins with b'PK"),
    "empty": (b"", "begins with b''"),
    "an unknown version": (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
    "a header cut short": (HEAD + b"\0\0", "announced at byte 8"),
    "more tensors than bytes": (HEAD + struct.pack("<QQ", 1 << 62, 0), "announced at byte 24"),
    "more fields than bytes": (HEAD + struct.pack("<QQ", 0, 1 << 62), "announced at byte 24"),
    "a name without end": (HEAD + struct.pack("<QQQ", 0, 1, 1 << 60), "1152921504606846976 bytes are announced"),
    "an array without end": (
        HEAD + struct.pack("<QQ", 0, 1) + named("x") + struct.pack("<IIQ", 9, 0, 1 << 60),
        "bytes are announced",
    ),
    "an array of texts without end": (
        HEAD + struct.pack("<QQ", 0, 1) + named("x") + struct.pack("<IIQ", 9, 8, 1 << 60),
        "bytes are announced",
    ),
    "an array of arrays": (
        HEAD + struct.pack("<QQ", 0, 1) + named("x") + struct.pack("<IIQ", 9, 9, 1),
        "announced",
    ),
    "a type nobody knows": (HEAD + struct.pack("<QQ", 0, 1) + named("x") + struct.pack("<I", 77), "unknown type 77"),
    "a name twice": (
        HEAD + struct.pack("<QQ", 0, 2) + 2 * (named("x") + struct.pack("<II", 4, 1)),
        "'x' twice",
    ),
    "an alignment of three": (
        HEAD + struct.pack("<QQ", 0, 1) + named("general.alignment") + struct.pack("<II", 4, 3),
        "alignment 3 is not a power of two",
    ),
    "too many dimensions": (HEAD + struct.pack("<QQ", 1, 0) + named("t") + struct.pack("<I", 1 << 30), "dimensions"),
    "a shape beyond the file": (
        HEAD + struct.pack("<QQ", 1, 0) + named("t") + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0),
        "would end at byte",
    ),
    "an offset beyond the file": (
        HEAD + struct.pack("<QQ", 1, 0) + named("t") + struct.pack("<IQIQ", 1, 1, 0, 1 << 50),
        "would end at byte",
    ),
    "a tensor of nothing": (
        HEAD + struct.pack("<QQ", 1, 0) + named("t") + struct.pack("<IQQIQ", 2, 0, 1 << 63, 0, 0),
        "holds no number",
    ),
    "a name that is no text": (HEAD + struct.pack("<QQQ", 0, 1, 2) + b"\xff\xff" + bytes(8), "cannot be read"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_or_hostile_file_ends_in_one_sentence_and_at_once(tmp_path, case):
    content, sentence = HOSTILE[case]
    (tmp_path / "hostile.gguf").write_bytes(content)
    with pytest.raises(StimulusError, match=sentence):
        read_control_vector(tmp_path / "hostile.gguf")


def test_every_cut_of_a_good_file_is_refused(tmp_path):
    whole = (FIXTURES / "repeng.gguf").read_bytes()
    for n in range(0, len(whole), 7):
        (tmp_path / "cut.gguf").write_bytes(whole[:n])
        with pytest.raises(StimulusError):
            read_control_vector(tmp_path / "cut.gguf")


def test_another_model_s_file_is_refused_by_width_and_by_depth(tmp_path):
    found = read_control_vector(FIXTURES / "repeng.gguf")
    with pytest.raises(ShapeError, match=r"'bread' at block 1 of tiny: wanted shape \(16,\), was given \(8,\)"):
        as_vectors({"bread": found}, identity(d_model=16))
    with pytest.raises(StimulusError, match="a direction for block 2, and tiny has blocks 0 to 1"):
        as_vectors({"bread": found}, identity(n_layers=2))


def test_a_concept_that_is_not_there_leaves_no_file(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'bread'"):
        write_control_vector(ours("bread"), "braed", tmp_path / "out.gguf")
    assert list(tmp_path.iterdir()) == []


def test_what_steering_vectors_trained_is_taken_number_by_number():
    content = json.loads((FIXTURES / "steering_vectors.json").read_text())
    rows = {int(layer): torch.tensor(row) for layer, row in content["layer_activations"].items()}
    vectors = from_steering_vector({"bread": Theirs(rows, content["layer_type"])}, identity())
    assert vectors.provenance.missing == (0, 3)
    for layer, row in rows.items():
        assert torch.equal(vectors.vector("bread", layer).direction, row)
    with pytest.raises(StimulusError, match="has layers 1, 2"):
        vectors.vector("bread", 0)


def test_a_steering_vector_of_a_part_within_a_block_is_refused():
    within = Theirs({1: torch.ones(D_MODEL)}, "mlp")
    with pytest.raises(StimulusError, match="acts on 'mlp'; only 'decoder_block'"):
        from_steering_vector({"bread": within}, identity())


def test_a_steering_vector_can_be_made_only_where_its_package_is():
    """It cannot stand beside this stack; ``make compat`` makes one where it can."""
    with pytest.raises(IntrospectError, match="not installed; it needs transformers < 5"):
        to_steering_vector(ours("bread"), "bread")
    with pytest.raises(LayerError):
        to_steering_vector(ours("bread"), "bread", [9])
