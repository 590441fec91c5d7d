"""Do repeng and steering_vectors read what we wrote, and put it where we say? And do we read what they wrote?

Neither installs beside the laboratory's stack, so this runs in an environment of its own: ``make compat``. With
``--write`` it also makes the fixtures again that ``tests/unit/test_vectors_of_others.py`` reads.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from repeng import ControlModel, ControlVector
from steering_vectors import SteeringVector, train_steering_vector
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from introspect.records import SubjectIdentity
from introspect.vectors.control_vector import as_vectors, read_control_vector, write_control_vector
from introspect.vectors.imported import from_directions
from introspect.vectors.steering import from_steering_vector, to_steering_vector

N_LAYERS, D_MODEL = 4, 8
FIXTURES = Path(__file__).parent / "fixtures"
SUBJECT = SubjectIdentity(
    name="tiny", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=N_LAYERS, d_model=D_MODEL
)
IDS = torch.tensor([[1, 2, 3, 4, 5]])


def tiny_model():
    """A random Llama of four blocks."""
    config = AutoConfig.for_model(
        "llama", hidden_size=D_MODEL, intermediate_size=16, num_hidden_layers=N_LAYERS, num_attention_heads=2,
        num_key_value_heads=2, vocab_size=300, tie_word_embeddings=False,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return model


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    words = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.WordLevel({**words, "<pad>": len(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(False), pre_tokenizers.Split("", "isolated")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>")


def outputs(model, layers) -> list[torch.Tensor]:
    """What leaves every block, as a plain forward hook sees it after all other hooks."""
    kept: list[torch.Tensor] = []

    def keep(module, arguments, output):
        kept.append((output[0] if isinstance(output, tuple) else output).detach().clone())

    handles = [layer.register_forward_hook(keep) for layer in layers]
    with torch.no_grad():
        model(IDS)
    for handle in handles:
        handle.remove()
    return kept


def ours():
    """Vectors of ours at every block."""
    noise = torch.randn(N_LAYERS, D_MODEL, generator=torch.Generator().manual_seed(1))
    return from_directions({"bread": dict(enumerate(noise))}, SUBJECT, "sae", "drawn by the check")


def repeng_reads_us(folder: Path) -> str:
    """Blocks 1 and up, every number, and the effect in a model at the block that we mean."""
    vectors = ours()
    with tempfile.TemporaryDirectory() as own:
        write_control_vector(vectors, "bread", Path(own) / "bread.gguf", "llama")
        read = ControlVector.import_gguf(Path(own) / "bread.gguf")
    assert read.model_type == "llama"
    assert sorted(read.directions) == [1, 2, 3]
    for layer, direction in read.directions.items():
        assert np.array_equal(direction, vectors.directions["bread"][layer].numpy())
    for layer in read.directions:
        model = tiny_model()
        plain = outputs(model, model.model.layers)
        steered = ControlModel(model, [layer])
        steered.set_control(ControlVector("llama", {layer: read.directions[layer]}), 2.0)
        found = outputs(steered, model.model.layers)
        wanted = 2.0 * vectors.directions["bread"][layer]
        torch.testing.assert_close(found[layer] - plain[layer], wanted.expand_as(plain[layer]), atol=1e-5, rtol=0)
        assert all(torch.equal(found[below], plain[below]) for below in range(layer))
    return "repeng reads our file, number by number, and adds direction.N to the output of block N"


def we_read_repeng(folder: Path) -> str:
    """A file that repeng wrote comes back as it was."""
    generator = np.random.default_rng(2)
    directions = {layer: generator.normal(size=D_MODEL).astype(np.float32) for layer in (3, 2, 1)}
    ControlVector("llama", directions).export_gguf(folder / "repeng.gguf")
    (folder / "repeng.json").write_text(json.dumps({str(k): v.tolist() for k, v in directions.items()}))
    found = read_control_vector(folder / "repeng.gguf")
    assert found.model_hint == "llama"
    assert all(np.array_equal(found.directions[layer].numpy(), directions[layer]) for layer in directions)
    assert as_vectors({"bread": found}, SUBJECT).provenance.missing == (0,)
    return "we read what repeng wrote, number by number"


def steering_vectors_takes_us(folder: Path) -> str:
    """There and back, and the effect in a model at the block that we mean."""
    vectors = ours()
    for layer in range(N_LAYERS):
        model = tiny_model()
        steering = to_steering_vector(vectors, "bread", [layer])
        assert isinstance(steering, SteeringVector)
        back = from_steering_vector({"bread": steering}, SUBJECT)
        assert torch.equal(back.vector("bread", layer).direction, vectors.directions["bread"][layer])
        plain = outputs(model, model.model.layers)
        with steering.apply(model, multiplier=3.0):
            found = outputs(model, model.model.layers)
        wanted = 3.0 * vectors.directions["bread"][layer]
        torch.testing.assert_close(found[layer] - plain[layer], wanted.expand_as(plain[layer]), atol=1e-5, rtol=0)
        assert all(torch.equal(found[below], plain[below]) for below in range(layer))
    return "steering_vectors takes our vectors and gives them back, and adds layer N's to the output of block N"


def we_take_steering_vectors(folder: Path) -> str:
    """A vector that it trained is the mean difference that it says it is, at the block that it says."""
    pairs = [("bread and butter", "sand and gravel"), ("a loaf", "a rock")]
    trained = train_steering_vector(tiny_model(), tiny_tokenizer(), pairs, layers=[1, 2], read_token_index=-1)
    content = {str(layer): row.tolist() for layer, row in trained.layer_activations.items()}
    (folder / "steering_vectors.json").write_text(
        json.dumps({"layer_type": trained.layer_type, "layer_activations": content})
    )
    back = from_steering_vector({"bread": trained}, SUBJECT)
    assert back.provenance.missing == (0, 3)
    for layer, row in trained.layer_activations.items():
        assert torch.equal(back.vector("bread", layer).direction, row.float())
    return "we take what steering_vectors trained, number by number"


def main() -> None:
    """Run every check; an assertion ends it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = FIXTURES if "--write" in sys.argv else Path(temporary)
        for check in (repeng_reads_us, we_read_repeng, steering_vectors_takes_us, we_take_steering_vectors):
            sys.stdout.write(f"{check(folder)}\n")


if __name__ == "__main__":
    main()
