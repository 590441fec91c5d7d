"""The bench on a small model: every row is there, and the engine's outputs are those of batch 1."""

import json

TASKS = {"self_report", "self_report_sampled", "yes_no", "localisation"}


def test_the_bench_prints_json_with_every_way_and_equal_outputs(command, gguf_file):
    finished = command("bench", gguf_file, "--quick", "--json", "--dtype", "float32")
    assert finished.code == 0, finished.err
    report = json.loads(finished.out)
    rows = {(row["task"], row["way"]): row for row in report["rows"]}
    assert {task for task, _ in rows} == TASKS
    assert {way for task, way in rows if task == "self_report"} == {"batch1", "same_cell", "mixed_cell", "engine"}
    for (task, way), row in rows.items():
        assert row["seconds_per_trial"] > 0
        assert row["peak_mib"] > 0
        if way == "engine":
            assert row["rows"] >= 6, task
            assert row["equal_rows"] + row["near_tie_rows"] == row["rows"], task
    assert report["way"] == "shared prefix"
    assert report["matmul_gflops"]["float32"] > 0
    assert report["decode_fraction_of_matmul"]["float32"] > 0
    assert report["extras"]["import_seconds"] < 5


def test_a_dtype_that_the_bench_does_not_know_is_refused(command, gguf_file):
    finished = command("bench", gguf_file, "--dtype", "float23")
    assert finished.code == 2
    assert "did you mean 'float32'" in finished.err


def test_models_lists_the_families_and_says_how_a_subject_is_run(command, gguf_file):
    assert "Mamba 2" in command("models").out
    finished = command("models", gguf_file)
    assert finished.code == 0
    assert "shared prefix" in finished.out
    assert "its chat template" in finished.out
