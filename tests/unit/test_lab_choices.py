"""Which subjects the live laboratory has on offer: what a name means, and where the trials of each are saved."""

import pytest

SETTINGS = {"concepts": ("bread", "silver"), "temperature": 0.5, "device": "cpu"}


def offered(names, path, **settings):
    from introspect.lab.choices import choices

    return choices(names, path, SETTINGS | settings)


def refused(names, path, **settings):
    from introspect.errors import IntrospectError

    with pytest.raises(IntrospectError) as caught:
        offered(names, path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_subject_has_the_folder_and_several_have_one_each_inside_it(tmp_path):
    (alone,) = offered(["smollm2"], tmp_path)
    assert (alone.name, alone.plan.subject, alone.path) == ("smollm2", "smollm2", tmp_path)
    both = offered(["smollm2", "Qwen/Qwen3-8B"], tmp_path)
    assert [each.path for each in both] == [tmp_path / "smollm2", tmp_path / "qwen-qwen3-8b"]
    assert all(each.plan.concepts == ("bread", "silver") for each in both)


def test_an_organism_brings_its_adapter_lists_and_starting_values_and_leaves_the_rest_as_it_is_asked_for(tmp_path):
    from introspect.organisms.catalog import specimen

    (tiny,) = offered(["tiny-introspector"], tmp_path, dtype="auto")
    known = specimen("tiny", "introspector", 0)
    assert (tiny.plan.subject, tiny.plan.adapter) == (known.subject, str(known.adapter))
    assert tiny.plan.concepts == str(known.study.parent / "concepts.toml")
    assert tiny.plan.stimuli == str(known.study.parent / "stimuli.toml")
    assert (tiny.plan.layers, tiny.plan.strengths) == ((2,), (1.5,))
    assert (tiny.plan.dtype, tiny.plan.temperature) == ("float32", 0.5)
    second, base, large = offered(["tiny-own-output-reader-1", "tiny-untouched", "lora-introspector"], tmp_path)
    assert second.plan.adapter.endswith("own-output-reader-1")
    assert base.plan.adapter is None
    (greedy, plain) = offered(["tiny-introspector", "smollm2"], tmp_path, temperature=None)
    assert (greedy.plan.temperature, plain.plan.temperature) == (0.0, 1.0)
    assert (large.plan.subject, large.plan.layers) == ("smollm2", (23,))
    assert large.plan.stimuli == str(specimen("lora", "introspector", 0).study.parent / "stimuli.toml")


def test_an_adapter_stands_behind_its_subject_unless_the_name_is_that_of_a_folder(tmp_path):
    (folder := tmp_path / "c++").mkdir()
    with_adapter, plain = offered(["smollm2+some/adapter", str(folder)], tmp_path)
    assert (with_adapter.plan.subject, with_adapter.plan.adapter) == ("smollm2", "some/adapter")
    assert (plain.plan.subject, plain.plan.adapter) == (str(folder), None)
    (one,) = offered(["smollm2"], tmp_path, adapter="some/adapter")
    assert one.plan.adapter == "some/adapter"


def test_what_cannot_be_on_offer_is_one_sentence(tmp_path):
    assert "did you mean 'tiny-introspector'" in refused(["tiny-introspecter"], tmp_path)
    assert "SUBJECT+ADAPTER" in refused(["smollm2+"], tmp_path)
    assert "there twice" in refused(["smollm2", "smollm2"], tmp_path)
    assert "write smollm2+some/adapter" in refused(["smollm2", "tiny-untouched"], tmp_path, adapter="some/adapter")
    assert "needs a subject" in refused([], tmp_path)


def test_what_only_begins_like_an_organism_may_be_a_model(tmp_path):
    (one,) = offered(["tiny-random-llama"], tmp_path)
    assert one.plan.subject == "tiny-random-llama"


def test_one_subject_s_run_and_the_folder_of_several_are_not_taken_for_each_other(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "manifest.json").write_text("{}")
    assert "is the run of one subject" in refused(["smollm2", "tiny-untouched"], tmp_path / "one")
    (tmp_path / "many" / "smollm2").mkdir(parents=True)
    (tmp_path / "many" / "smollm2" / "manifest.json").write_text("{}")
    assert "give one of those" in refused(["smollm2"], tmp_path / "many")
    assert offered(["smollm2"], tmp_path / "many" / "smollm2")
