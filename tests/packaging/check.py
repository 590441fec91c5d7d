"""Install the wheel, then the sdist, into a clean environment, and run the lab there on a model of a few kilobytes.

    python tests/packaging/check.py DIST ENVIRONMENT [TORCH_INDEX]

Everything the package needs comes from its own declared dependencies under the pinned constraints; nothing of the
source tree is on the path.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAN = """
name = "installed"
subject = "small.gguf"
layers = [1]
strengths = [4]
concepts = ["bread", "silver"]
baseline = "baseline.toml"
wordings = ["plain"]
max_new_tokens = 6
batch_size = 4
"""


def pip(environment, *arguments):
    """Install into an environment, by the pip of this one."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        environment / "bin" / "python",
        "install",
        "--quiet",
        "--no-compile",
    ]
    subprocess.run([*command, "--progress-bar", "off", *arguments], check=True)


def run(environment, folder, *command):
    """Run a command of the environment in a folder, with nothing of this one on its path."""
    own = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    own |= {"INTROSPECT_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    first = environment / "bin" / command[0]
    done = subprocess.run([first, *command[1:]], cwd=folder, env=own, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def try_out(environment, folder):
    """From a plan to a page."""
    where = run(environment, folder, "python", "-c", "import introspect; print(introspect.__file__)").strip()
    assert Path(where).is_relative_to(environment.resolve()), where
    assert "When a language model reports" in run(environment, folder, "introspect", "--help")
    assert "plain" in run(environment, folder, "introspect", "stimuli", "list")
    for name, text in (("plan.toml", PLAN), ("baseline.toml", 'words = ["tables", "rivers", "clouds", "letters"]')):
        (folder / name).write_text(text, "utf-8")
    code = "from pathlib import Path; from gguf_files import write_gguf; write_gguf(Path('small.gguf'))"
    (folder / "gguf_files.py").write_text((ROOT / "tests" / "support" / "gguf_files.py").read_text("utf-8"), "utf-8")
    run(environment, folder, "python", "-c", code)
    run(environment, folder, "introspect", "run", "plan.toml", "--out", "run", "--max-trials", "6")
    assert '"n_trials": 6' in run(environment, folder, "introspect", "analyze", "run", "--json")
    run(environment, folder, "introspect", "report", "run")
    assert (folder / "run" / "report.html").stat().st_size > 100_000


def main():
    dist, environment = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", environment], check=True)
    pins = ["-c", ROOT / "constraints.txt"]
    if len(sys.argv) > 3:
        torch = next(line for line in pins[1].read_text().splitlines() if line.startswith("torch=="))
        pip(environment, "--no-deps", "--index-url", sys.argv[3], torch)
    for artifact, options in ((wheel, pins), (sdist, ["--no-deps", "--force-reinstall"])):
        pip(environment, *options, artifact)
        with tempfile.TemporaryDirectory() as folder:
            try_out(environment, Path(folder))
        sys.stdout.write(f"{artifact.name} installs into a clean environment and runs there\n")


if __name__ == "__main__":
    main()
