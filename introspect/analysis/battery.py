"""A battery's runs together: layer profiles of all experiments on one subject, and how damaged it was at each depth.

Experiments are compared at the same strength: as the same multiple of the raw vector, and as about the same
strength·‖v‖/‖h‖ (at every layer the strength nearest to a common value is taken).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from introspect.analysis.analyze import Analysis, analyze
from introspect.analysis.compare import at_relative
from introspect.analysis.findings.finding import Finding, signed
from introspect.analysis.profile import Comparison, compare, profiles
from introspect.analysis.tables import values
from introspect.errors import RunFolderError
from introspect.sweeps.reading import MANIFEST

FOLLOWED = (
    ("injected_thought", "report"),
    ("thought_vs_text", "choose"),
    ("intended_or_prefilled", "choose"),
    ("intentional_control", "think − dont_think"),
    ("steer_then_remove", "detect/words"),
    ("steer_then_remove", "choose"),
    ("localisation", "locate"),
    ("strength", "compare"),
    ("strength", "rate"),
    ("identification", "letters"),
    ("yes_no", "detection/words"),
)
"""Tasks whose profiles are drawn and compared."""
COLUMNS = ("experiment", "unit", "depth", "effect")


@dataclass(frozen=True)
class Battery:
    """The analyses of a folder of runs, by the name of each."""

    path: Path
    analyses: Mapping[str, Analysis]

    @cached_property
    def main(self) -> Mapping[str, Analysis]:
        """One run of each experiment: the one that is named after it, or else the one with the most trials."""
        chosen: dict[str, tuple[bool, int, str]] = {}
        for name, analysis in self.analyses.items():
            rank = (name == analysis.protocol, len(analysis.run.trials), name)
            chosen[analysis.protocol] = max(rank, chosen.get(analysis.protocol, rank))
        return {name: self.analyses[name] for *_, name in chosen.values()}

    @cached_property
    def effects(self) -> pl.DataFrame:
        """All followed tasks' effects of the concept vectors, with the columns ``experiment`` and ``subject``."""
        parts: list[pl.DataFrame] = []
        for analysis in self.main.values():
            subject = analysis.run.manifest.subject.name
            for protocol, task in FOLLOWED:
                if analysis.protocol != protocol:
                    continue
                part = analysis.effects.filter((pl.col("task") == task) & pl.col("arm").is_in(["concept", "forced"]))
                metric = part["metric"].unique().sort().to_list()
                part = part.filter(pl.col("metric") == metric[0]) if metric else part
                label = f"{protocol}: {task}"
                parts.append(part.with_columns(pl.lit(label).alias("experiment"), pl.lit(subject).alias("subject")))
        return pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.Float64))

    def at_multiple(self, strength: float) -> pl.DataFrame:
        """Return effects at one multiple of the raw vector; what has no strength stays."""
        return self.effects.filter(pl.col("strength").is_null() | (pl.col("strength") == strength))

    def at_relative(self, wanted: float) -> pl.DataFrame:
        """Return, at every layer of every experiment, effects at the strength nearest to a relative one."""
        parts = [at_relative(part, wanted) for _, part in self.effects.group_by("experiment", maintain_order=True)]
        return pl.concat(parts) if parts else self.effects

    @property
    def strengths(self) -> list[float]:
        """The multiples that the runs have."""
        found = self.effects["strength"].drop_nulls().unique().sort().to_list()
        return [float(value) for value in found]

    @property
    def relative(self) -> float | None:
        """The median relative strength of all cells."""
        found = self.effects["relative"].drop_nulls().median()
        return float(found) if isinstance(found, float) and found > 0 else None

    def profile(self, effects: pl.DataFrame) -> pl.DataFrame:
        """Return the effect by depth over its spread, for every experiment."""
        return profiles(effects.select(COLUMNS).drop_nulls())

    def comparisons(self, effects: pl.DataFrame) -> list[Comparison]:
        """Compare every two experiments that share concepts and at least two depths."""
        frame = effects.select(COLUMNS).drop_nulls()
        names = frame["experiment"].unique(maintain_order=True).to_list()
        found = [compare(frame, first, second) for first, second in itertools.combinations(names, 2)]
        return [each for each in found if each.n_depths >= 2 and each.n_units >= 3]

    def damage(self) -> pl.DataFrame:
        """Return readable share and competence by depth, under concept vectors: depth, name, value."""
        rows: list[pl.DataFrame] = []
        for analysis in self.main.values():
            last = max(analysis.run.manifest.subject.n_layers - 1, 1)
            frame = analysis.outcomes.filter((pl.col("arm") == "concept") & pl.col("layer").is_not_null())
            for metric, name in _damage(analysis.protocol):
                found = values(frame, metric)
                mean = found.group_by("layer").agg(pl.col("_hit").cast(pl.Float64).mean().alias("value"))
                rows.append(
                    mean.select((pl.col("layer") / last).alias("depth"), pl.lit(name).alias("name"), pl.col("value"))
                )
        schema = {"depth": pl.Float64, "name": pl.String, "value": pl.Float64}
        return pl.concat([pl.DataFrame(schema=schema), *rows]).sort("name", "depth")

    def findings(self) -> list[Finding]:
        """Say where profiles lie and whether they differ."""
        found: list[Finding] = []
        for words, effects in self.views():
            table = self.profile(effects)
            pairs = self.comparisons(effects)
            differ = [each for each in pairs if each.p is not None and each.p * len(pairs) < 0.05]
            said = "; ".join(
                f"{each.first} against {each.second}: the centre shifts by {signed(each.shift)}, p = {each.p:.3f}"
                for each in differ
            )
            sentence = (
                f"Layer profiles at {words}: of {len(pairs)} pairs of experiments {len(differ)} differ in how their "
                f"effect goes with depth (interaction, Bonferroni over the pairs){': ' + said if said else ''}."
            )
            found.append(Finding(f"layer profiles at {words}", sentence, table))
        return found

    def views(self) -> Sequence[tuple[str, pl.DataFrame]]:
        """Return the effects at an equal multiple of the vectors and at about equal relative strength, with words."""
        views: list[tuple[str, pl.DataFrame]] = []
        if self.strengths:
            middle = self.strengths[len(self.strengths) // 2]
            views.append((f"{middle:g} times the raw vector", self.at_multiple(middle)))
        if self.relative is not None:
            views.append((f"about {self.relative:.2g} of the residual's norm", self.at_relative(self.relative)))
        return views


def _damage(protocol: str) -> list[tuple[str, str]]:
    if protocol == "competence":
        return [("surprisal", "surprisal (nats)"), ("chosen", "questions of fact answered rightly")]
    return [("readable", "readable replies")] if protocol == "injected_thought" else []


def load_battery_runs(path: str | Path) -> Battery:
    """Open and analyse every run folder in a folder.

    Raises:
        RunFolderError: There is none.
    """
    folders = (
        sorted(entry for entry in Path(path).iterdir() if (entry / MANIFEST).is_file()) if Path(path).is_dir() else []
    )
    if not folders:
        message = f"{path} is neither a run folder nor a folder of runs: there is no {MANIFEST} in it or below it"
        raise RunFolderError(message)
    return Battery(Path(path), {folder.name: analyze(folder) for folder in folders})
