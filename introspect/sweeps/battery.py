"""A battery: several experiments on one subject, each in a folder of its own under one folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.progress import Advance, silent
from introspect.records import Plan, SubjectIdentity
from introspect.subjects.local import LocalSubject
from introspect.sweeps.loading import load_plan_subject
from introspect.sweeps.plans import load_battery
from introspect.sweeps.prepare import Prepared, prepare
from introspect.sweeps.run import Executor, run_prepared, sweep

SUBJECT_KEYS = (
    "subject", "adapter", "revision", "dtype", "device", "device_map", "trust_remote_code", "backend", "format",
)  # fmt: skip


def run_battery(
    plans: Sequence[Plan] | str | Path,
    out: str | Path,
    max_trials: int | None = None,
    executor: Executor | None = None,
) -> Path:
    """Run a battery's experiments one after the other, or go on with them; return the folder.

    Everything is prepared before anything runs, so that an experiment that does not fit is known at once.

    Args:
        plans: The experiments, or the file of a battery.
        out: The folder; each experiment gets a run folder in it, named after it.
        max_trials: At most so many trials of each.
        executor: Where the trials are run, if not in this process; then each experiment is prepared there in its turn.

    Raises:
        IntrospectError: An experiment does not fit, or its folder cannot take it.
    """
    loaded = load_battery(Path(plans)) if isinstance(plans, str | Path) else list(plans)
    for plan in loaded if executor is not None else ():
        sweep(plan, Path(out) / plan.name, max_trials, executor=executor)
    for prepared in prepare_battery(loaded, max_trials) if executor is None else ():
        run_prepared(prepared, Path(out) / prepared.plan.name)
    return Path(out)


class Remembered:
    """A subject that is read once a prompt: the experiments of a battery ask about the same words."""

    def __init__(self, subject: LocalSubject) -> None:
        self.subject, self._read = subject, dict[str, Tensor]()

    @property
    def identity(self) -> SubjectIdentity:
        """Which model this is."""
        return self.subject.identity

    def read(self, prompts: Sequence[str], progress: Advance = silent) -> Float[Tensor, "n_prompts n_layers d_model"]:
        """Read every block's output at the last token of each prompt, put as a user's turn; float32 on the CPU."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._read]
        if new:
            self._read |= dict(zip(new, self.subject.read(new, progress), strict=True))
        return torch.stack([self._read[prompt] for prompt in prompts])


def prepare_battery(plans: Sequence[Plan], max_trials: int | None = None) -> list[Prepared]:
    """Prepare all experiments; each subject is loaded once."""
    subjects: dict[tuple[object, ...], Remembered] = {}

    def all_prepared() -> Iterator[Prepared]:
        for plan in plans:
            key = tuple(getattr(plan, name) for name in SUBJECT_KEYS)
            if key not in subjects:
                subjects[key] = Remembered(load_plan_subject(plan))
            yield prepare(plan, max_trials, subjects[key].subject, subjects[key])

    return list(all_prepared())
