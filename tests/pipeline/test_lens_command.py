"""The logit lens from the command line: a file with every layer, and a figure beside it."""

import json

import lab


def test_a_word_is_read_off_every_layer_from_the_command_line(command, tmp_path):
    out = tmp_path / "lens"
    done = command("lens", lab.folder(), "--concept", "bread", "--concept", "dust", "--layer", 1, "--out", out)
    assert done.code == 0, done.err
    content = json.loads((out / "lens.json").read_text())
    assert content["concepts"] == ["bread", "dust"]
    assert (content["layer"], content["strength"]) == (1, 4.0)
    for name in ("bread", "dust"):
        rows = {(row["arm"], row["layer"]): row for row in content["rows"] if row["concept"] == name}
        assert len(rows) == 2 * 5
        assert rows["concept", 0]["margin"] == rows["none", 0]["margin"]
        assert rows["concept", 1]["logprob"] != rows["none", 1]["logprob"]
    figure = json.loads((out / "logit_lens.json").read_text())
    names = {trace["name"] for trace in figure["data"]}
    assert {"the injected direction itself", "what the block adds, changed", "concept vector"} <= names
    assert "2 concepts" in figure["layout"]["meta"]["caption"]
    assert "--layer 1 --strength 4" in json.loads((out / "logit_lens.provenance.json").read_text())["command"]
    assert "rank with" in done.out


def test_what_the_lens_cannot_read_is_refused_before_a_model_is_loaded(command, tmp_path):
    for options, words in (
        (("--concept", "bred"), "did you mean 'bread'"),
        (("--concept", "sae:somewhere#3"), "sae:somewhere#3 has no word that could rise; give one, as in"),
        (("--concept", "bread", "--concept", "bread"), "has these concepts twice: bread"),
        (("--concept", "bread", "--layer", 9), "layer 9 is outside"),
    ):
        done = command("lens", lab.folder(), *options, "--out", tmp_path / "no")
        assert done.code == 2
        assert words in done.err
    assert not (tmp_path / "no").exists()
