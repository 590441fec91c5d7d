"""Where a figure came from: run, plan, commit, command, n; what its sidecar says."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

from introspect.analysis.analyze import Analysis
from introspect.records import digest

HERE = Path(__file__).resolve().parent


def provenance(analysis: Analysis, folder: Path, command: str) -> dict[str, Any]:
    """Return what stands beside every figure of a run.

    Args:
        analysis: The run's numbers.
        folder: Where the run is, as it was named.
        command: The command that draws the figures again.
    """
    manifest = analysis.run.manifest
    return {
        "run": str(folder),
        "command": command,
        "commit": commit(),
        "plan": manifest.plan.name,
        "plan_hash": digest(manifest.plan.identity()),
        "salt": manifest.plan.salt,
        "subject": manifest.subject.fingerprint,
        "n": len(analysis.run.trials),
        "n_planned": manifest.n_planned,
        "introspect": manifest.introspect_version,
        "grader": analysis.grader,
        **({"caution": analysis.caution} if analysis.caution else {}),
    }


@functools.cache
def commit() -> str | None:
    """Return the commit of the code that draws, with ``+changes`` if files differ; None outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    found = _git(git, "rev-parse", "HEAD")
    if found is None or _git(git, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None  # a repository around an installed package is not this package's
    return found + ("+changes" if _git(git, "status", "--porcelain", "--untracked-files=no") else "")


def _git(git: str, *arguments: str) -> str | None:
    done = subprocess.run([git, *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
