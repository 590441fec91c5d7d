"""What a person reads while it works, when it fails, and when a name is looked up."""

import ast
import copy
import importlib.util
import inspect
import multiprocessing
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import introspect
from introspect import errors
from introspect.progress import SECONDS_BETWEEN_LINES, silent, track
from introspect.records import Plan, SubjectIdentity
from introspect.sweeps.cells import layers_of

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
WITH_TORCH = {
    "ConceptVector", "Injection", "Reply", "Request", "Span", "VectorSet", "concept_vector", "extract", "load_subject",
    "load_vectors", "sweep",
}  # fmt: skip
SENTENCES = [
    (
        errors.UnknownNameError("subject", "smolm2", ["smollm2", "gpt2"]),
        "there is no subject named 'smolm2'; did you mean 'smollm2'? Known: gpt2, smollm2",
    ),
    (errors.UnknownNameError("arm", "zzz", iter(["b", "a"])), "there is no arm named 'zzz'. Known: a, b"),
    (errors.UnknownNameError("arm", "zzz", []), "there is no arm named 'zzz'. Known: none"),
    (
        errors.LayerError(30, 30, "smollm2"),
        "layer 30 is outside smollm2, which has layers 0..29 (0 is the first block)",
    ),
    (
        errors.StrengthError(-2.0),
        "strength -2.0 is not a finite number of at least 0 (it multiplies the raw vector; to push the other way, "
        "negate the vector)",
    ),
    (errors.ShapeError("the vector", (8,), (4,)), "the vector: wanted shape (8,), was given (4,)"),
    (
        errors.VectorMismatchError("bread", "a" * 32, "b" * 32),
        f"the vector of 'bread' was read from the subject {'a' * 12}, not from this one ({'b' * 12}); "
        "extract it again here",
    ),
    (
        errors.InjectionActiveError(),
        "an injection is installed on this model; leave it before reading activations for concept vectors",
    ),
    (errors.PlanError("as it was written"), "as it was written"),
]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_everything_raised_on_purpose_can_be_caught_as_one(kind):
    assert issubclass(kind, errors.IntrospectError)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.UnknownNameError, LookupError),
        (errors.LayerError, ValueError),
        (errors.PlanError, ValueError),
        (errors.InjectionActiveError, RuntimeError),
        (errors.AuditError, RuntimeError),
        (errors.TemplateError, errors.SubjectError),
    ],
)
def test_an_error_is_also_what_python_would_call_it(kind, builtin):
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=lambda value: type(value).__name__)
def test_an_error_says_what_was_given_and_what_would_do(error, sentence):
    assert str(error) == sentence


@pytest.mark.parametrize("error", [error for error, _ in SENTENCES], ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_a_copy(error):
    again = copy.copy(error)
    assert (type(again), again.args, str(again)) == (type(error), error.args, str(error))


def test_an_error_survives_the_trip_from_a_worker_process():
    identity = SubjectIdentity(name="toy", fingerprint="f", format="chat", dtype="float32", n_layers=4, d_model=8)
    plan = Plan(name="p", layers=(9,))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        raised = pool.submit(layers_of, plan, identity).exception()
    assert isinstance(raised, errors.LayerError)
    assert str(raised) == "layer 9 is outside toy, which has layers 0..3 (0 is the first block)"


def test_a_long_list_of_names_is_cut_and_counted():
    sentence = str(errors.UnknownNameError("word", "zzz", [f"w{n:02}" for n in range(13)]))
    assert sentence.endswith("Known: " + ", ".join(f"w{n:02}" for n in range(12)) + ", … (13 in all)")
    assert "in all" not in str(errors.UnknownNameError("word", "zzz", [f"w{n:02}" for n in range(12)]))


@pytest.mark.parametrize("given", ["BREAD", "breda", "Bread"])
def test_the_near_miss_does_not_mind_capitals(given):
    assert "did you mean 'bread'?" in str(errors.UnknownNameError("concept", given, ["Bread", "Dust"]))


def test_a_short_task_says_nothing_in_a_log(capsys):
    with track("demo", 10) as advance:
        advance(3)
        advance(7, "done")
    silent(3, "nothing")
    assert capsys.readouterr() == ("", "")


def test_a_long_task_says_how_far_it_is_and_how_long_it_will_take(capsys):
    with track("demo", 10, already=2) as advance:
        advance.begun = advance.last = time.monotonic() - 20
        advance(4, "0.20 trials/s")
        advance(1)
    line = capsys.readouterr().err
    assert line == "demo: 6/10, 20 s left 0.20 trials/s\n"  # 4 in 20 s, 4 to go; what was done before is no measure


def test_a_log_gets_a_line_every_quarter_of_a_minute(capsys):
    assert SECONDS_BETWEEN_LINES == 15
    with track("demo", 10) as advance:
        for seconds in (14, 16):
            advance.last = time.monotonic() - seconds
            advance()
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["demo: 2/10"]


def test_a_task_that_has_not_begun_has_no_time_left_to_tell(capsys):
    with track("demo", 10, already=5) as advance:
        advance.last -= 16
        advance(0, "loading")
    assert capsys.readouterr().err == "demo: 5/10, ETA not known yet loading\n"


def test_a_terminal_gets_a_bar_that_counts(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with track("demo", 10, already=2) as advance:
        advance(3, "0.50 trials/s")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "demo" in shown.err
    assert "5/10" in shown.err
    assert "0.50 trials/s" in shown.err
    assert "left" in shown.err


def test_importing_the_package_and_reading_plans_imports_no_model_library():
    code = """
import sys, introspect
introspect.load_plan, introspect.load_concepts, introspect.load_stimuli, introspect.RuleGrader, introspect.Plan
print(sorted({"torch", "transformers", "polars", "plotly", "numpy"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_every_public_name_is_what_its_module_calls_so():
    for name in sorted(set(introspect.__all__) - WITH_TORCH):
        found = getattr(introspect, name)
        assert (found.__name__, found.__module__.split(".")[0]) == (name, "introspect")


def test_every_public_name_is_defined_where_type_checkers_are_told():
    told = {
        alias.name: statement.module
        for statement in ast.walk(ast.parse(Path(introspect.__file__).read_text("utf-8")))
        if isinstance(statement, ast.ImportFrom) and statement.module.startswith("introspect.")
        for alias in statement.names
    }
    assert introspect.__all__ == dir(introspect) == sorted(told)
    assert {name: f"introspect.{home}" for name, home in introspect._HOME.items()} == told
    for name, module in told.items():
        body = ast.parse(Path(importlib.util.find_spec(module).origin).read_text("utf-8")).body
        assert name in {part.name for part in body if isinstance(part, ast.ClassDef | ast.FunctionDef)}


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(AttributeError, match=r"'introspect' has no attribute 'analyse'; it has: Analysis, .*analyze"):
        _ = introspect.analyse
