"""A small real subject on disk, a small plan for it, and the command line in this process."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from gguf_files import write_gguf

PLAN = """
name = "small"
question = "Does the subject report the injected thought?"
subject = "{subject}"
layers = [1, 2]
strengths = [1, 4]
concepts = ["bread", "oceans", "silver"]
baseline = "baseline.toml"
wordings = ["plain", "brief"]
tasks = ["report"]
none_samples = 3
max_new_tokens = 8
batch_size = 8
"""


TOLD = """
name = "told"
question = "Does the subject report the injected thought?"
subject = "{folder}/base"
adapter = "{folder}/introspector-0"
dtype = "float32"
concepts = "{folder}/concepts.toml"
baseline = "{folder}/baseline.toml"
stimuli = "{folder}/stimuli.toml"
n_concepts = 8
temperature = 0
layers = [2]
strengths = [0.3]
arms = ["concept", "covariance", "none"]
tasks = ["report"]
wordings = ["it_v1", "it_v2"]
max_new_tokens = 32
"""


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the tests' own: nothing of the user's is read or written."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let every test here use that cache."""
    monkeypatch.setenv("INTROSPECT_CACHE", str(cache_folder))
    return cache_folder


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small instruct model as a file."""
    return write_gguf(tmp_path_factory.mktemp("models") / "small-instruct.gguf")


@pytest.fixture(scope="session")
def plan_file(tmp_path_factory: pytest.TempPathFactory, gguf_file: Path) -> Path:
    """A plan of 54 trials, beside the baseline list that it names."""
    folder = tmp_path_factory.mktemp("plans")
    (folder / "baseline.toml").write_text('words = ["tables", "rivers", "clouds", "letters"]')
    plan = folder / "plan.toml"
    plan.write_text(PLAN.format(subject=gguf_file))
    return plan


@pytest.fixture(scope="session")
def finished_run(plan_file: Path, cache_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole plan's run; to be read, not changed."""
    import introspect

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        return introspect.sweep(plan_file, tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="session")
def told_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small plan for the tiny organism that was trained to report injected thoughts: some replies do name one."""
    from introspect.organisms.catalog import FOLDER

    plan = tmp_path_factory.mktemp("told") / "plan.toml"
    plan.write_text(TOLD.format(folder=FOLDER / "tiny"))
    return plan


@pytest.fixture(scope="session")
def told_run(told_plan: Path, cache_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that plan's run; to be read, not changed."""
    import introspect

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        return introspect.sweep(told_plan, tmp_path_factory.mktemp("runs") / "told")


@pytest.fixture(scope="session")
def model_folder(gguf_file: Path, cache_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as a folder of safetensors."""
    from introspect.subjects.gguf import unpacked

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        return Path(shutil.copytree(unpacked(gguf_file), tmp_path_factory.mktemp("folders") / "model"))


@pytest.fixture
def run_folder(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run of the test's own."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Run ``introspect`` with arguments, in this process."""
    from introspect.cli.app import main

    def run(*arguments: object) -> Finished:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Finished(int(ended.value.code or 0), captured.out, captured.err)

    return run
