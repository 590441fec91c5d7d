"""The bench: three tasks, four ways, two dtypes, and whether the outputs are those of batch 1."""

import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from introspect.bench import baselines, tasks
from introspect.bench.found import QUICK, BenchReport, BenchRow, Sizes
from introspect.bench.measure import Measured, decode_weights, measured, product_rate
from introspect.progress import Advance, silent
from introspect.subjects.engine.flight import Flight
from introspect.subjects.engine.rows import Ending, Finish, Row
from introspect.subjects.load import load_subject
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Request

TIE = 1e-3
"""A row that diverges where batch 1's two best are nearer than this is a near tie: its logits, or, where it draws, its
log-probabilities with their Gumbel numbers."""
SAME_SCORE = {"float32": 1e-3, "bfloat16": 0.5}
"""Log-odds that differ by no more count as equal; bfloat16 keeps eight bits of a logit of twenty or so."""
STEPS, ROWS = 24, 64
"""Tokens and rows of what is measured besides the three tasks."""


class _Endless(Ending):
    """Replies that are as long as they may be."""

    def of(self, row: Row) -> Finish | None:
        return "length" if len(row.fed) >= row.request.max_new_tokens else None


class Bench:
    """One subject in one dtype."""

    def __init__(self, subject: LocalSubject, sizes: Sizes, advance: Advance) -> None:
        self.subject, self.sizes, self.advance = subject, sizes, advance
        self.dtype = subject.identity.dtype
        self.drawn = tasks.Drawn(subject)
        self.rows: list[BenchRow] = []
        self.engine = subject.engine
        self.engine.ending = _Endless(subject.chat, frozenset())
        some = tasks.self_reports(self.drawn, 512, sizes.tokens)
        self.width = self.engine.width_for(some, 10_000, subject.cache_bytes_per_token())
        self.step_seconds = 0.0

    def _row(  # noqa: PLR0913 - one line of the table
        self, task: str, way: str, n: int, spent: Measured, single: float,
        same: "tuple[int, int, list[float]] | None" = None, largest: float | None = None,
    ) -> float:  # fmt: skip
        each = spent.seconds / n
        compared, equal, gaps = same or (0, 0, [])
        row = BenchRow(
            task=task, way=way, dtype=self.dtype, trials=n, seconds_per_trial=each,
            ratio_to_batch1=(single or each) / each, rows=compared, equal_rows=equal, near_tie_rows=len(gaps),
            peak_mib=spent.peak_mib, gaps=tuple(gaps), largest_difference=largest,
        )  # fmt: skip
        self.rows.append(row)
        self.advance(1, f"{self.dtype} {task} {way}: {each:.3f} s a trial")
        return each

    def self_reports(self) -> None:
        """Time self-reports each way, and compare their tokens."""
        subject, n, tokens = self.subject, self.sizes.n(self.dtype), self.sizes.tokens
        requests = tasks.self_reports(self.drawn, max(self.width, n), tokens)
        device = self.engine.runner.device
        with measured(device) as spent:
            single = [baselines.greedy(subject, [request])[0] for request in requests[:n]]
        each = self._row("self_report", "batch1", n, spent, 0.0)
        batch = requests[: self.sizes.batch]
        alike = [
            r for r in tasks.self_reports(self.drawn, 9 * self.sizes.batch, tokens) if _layer(r) == _layer(batch[4])
        ]
        with measured(device) as spent:
            baselines.greedy(subject, alike[: self.sizes.batch])
        self._row("self_report", "same_cell", self.sizes.batch, spent, each)
        with measured(device) as spent:
            mixed = baselines.greedy(subject, batch)
        self._row("self_report", "mixed_cell", len(batch), spent, each, self._same(batch[:n], mixed[:n], single))
        self._warm()
        replies, spent = self._fly(requests)
        self._row("self_report", "engine", len(requests), spent, each, self._same(requests[:n], replies[:n], single))
        if self.dtype == "float32":
            self.sampled(requests, min(n, self.sizes.sampled))

    def sampled(self, requests: Sequence[Request], n: int) -> None:
        """Time sampled self-reports, and compare them with batch 1 drawing with the same numbers."""
        sampled = [_at_one(request) for request in requests]
        with measured(self.engine.runner.device) as alone:
            single = [baselines.sampled(self.subject, request) for request in sampled[:n]]
        each = self._row("self_report_sampled", "batch1", n, alone, 0.0)
        replies, spent = self._fly(sampled)
        same = self._same(sampled[:n], replies[:n], single)
        self._row("self_report_sampled", "engine", len(sampled), spent, each, same)

    def _warm(self) -> None:
        """Pack products and ask the model for its way, which happens once."""
        self.engine.generate(tasks.self_reports(self.drawn, 4, 2))
        self.engine.prefixes.clear()

    def _fly(self, requests: Sequence[Request]) -> tuple[list[tuple[int, ...]], Measured]:
        found: dict[int, tuple[int, ...]] = {}
        with measured(self.engine.runner.device) as spent, torch.inference_mode():
            if self.engine.reason:
                found = {i: reply.tokens for i, reply in self.engine.stream(requests, self.width)}
            else:
                flight = self._flight(requests)
                found = {i: reply.tokens for i, reply in flight}
                full = [seconds for rows, seconds in flight.steps if rows == self.width]
                self.step_seconds = self.step_seconds or median(full or [s for _, s in flight.steps])
        return [found[i] for i in range(len(requests))], spent

    def _flight(self, requests: Sequence[Request], width: int | None = None) -> Flight:
        engine = self.engine
        return Flight(engine.runner, engine.prefixes, engine.ending, requests, width or self.width)

    def _same(
        self, requests: Sequence[Request], replies: Sequence[tuple[int, ...]], single: Sequence[tuple[int, ...]]
    ) -> tuple[int, int, list[float]]:
        """Compare replies with those of batch 1: how many, how many are equal, and the gaps of near ties."""
        equal, gaps = 0, []
        for request, reply, alone in zip(requests, replies, single, strict=False):
            step = next((i for i, pair in enumerate(zip(reply, alone, strict=True)) if pair[0] != pair[1]), None)
            if step is None:
                equal += 1
                continue
            distance = baselines.gap(self.subject, request, alone, step)
            if distance <= TIE:
                gaps.append(distance)
        return min(len(requests), len(replies)), equal, gaps

    def scores(self, task: str, queries: Sequence[Query]) -> None:
        """Time read-outs each way, and compare log-probabilities."""
        n, device = self.sizes.n(self.dtype), self.engine.runner.device
        chosen = _spread(len(queries), max(n, self.sizes.batch))
        some = [queries[i] for i in chosen]
        with measured(device) as spent:
            single = [baselines.scores(self.subject, [query])[0] for query in some[:n]]
        each = self._row(task, "batch1", n, spent, 0.0)
        if task == "yes_no":
            alike = [query for query in queries if _layer(query) == _layer(queries[len(queries) // 2])]
            alike = (alike * self.sizes.batch)[: self.sizes.batch]
            with measured(device) as spent:
                baselines.scores(self.subject, alike)
            self._row(task, "same_cell", len(alike), spent, each)
        with measured(device) as spent:
            mixed = baselines.scores(self.subject, some)
        self._row(task, "mixed_cell", len(some), spent, each, *_scores_agree(mixed[:n], single, self.dtype))
        self.engine.readouts.clear()
        self.engine.prefixes.clear()
        with measured(device) as spent:
            found = self.engine.score(queries)
        ours = [found[i].option_logprobs for i in chosen[:n]]
        self._row(task, "engine", len(queries), spent, each, *_scores_agree(ours, single, self.dtype))

    def extras(self) -> dict[str, float]:
        """Measure what the goals name besides: longer prefixes, more trials, the injection's own share of a step."""
        if self.engine.reason:
            return {}
        long = tasks.self_reports(self.drawn, ROWS, self.sizes.tokens)
        short = tasks.self_reports(self.drawn, ROWS, STEPS)
        base = self._seconds(short)
        n_shared = len(short[0].prompt.ids)
        fillers = next(n for n in range(1, 99) if len(tasks.prompt(self.subject, n).ids) >= 4 * n_shared - 90)
        longer = self._seconds(tasks.self_reports(self.drawn, ROWS, self.sizes.tokens, n_fillers=fillers))
        more = self._seconds(tasks.self_reports(self.drawn, 4 * ROWS, STEPS)) / 4
        with_it, without = ([self._step(inject) for _ in range(3)] for inject in (True, False))
        return {
            "prefix_x4": longer / self._seconds(long),
            "trials_x4": more / base,
            "injection_share_of_step": 1 - min(without) / min(with_it),
        }

    def _seconds(self, requests: Sequence[Request]) -> float:
        with torch.inference_mode():
            begun = perf_counter()
            list(self._flight(requests, ROWS))
            return perf_counter() - begun

    def _step(self, inject: bool) -> float:
        with torch.inference_mode():
            flight = self._flight(tasks.self_reports(self.drawn, ROWS, 12, inject=inject), ROWS)
            list(flight)
        return median(seconds for _, seconds in flight.steps)


def _layer(trial: Request | Query) -> int:
    return trial.injections[0].vector.layer


def _at_one(request: Request) -> Request:
    return Request(request.prompt, request.injections, request.max_new_tokens, 1.0, request.seed)


def _spread(n: int, wanted: int) -> list[int]:
    return sorted({i * n // wanted for i in range(wanted)})


def _scores_agree(
    found: Sequence[Tensor], single: Sequence[Tensor], dtype: str
) -> tuple[tuple[int, int, list[float]], float]:
    """Compare log-odds of the first option against every other one."""
    off = [float(((a - a[0]) - (b - b[0])).abs().max()) for a, b in zip(found, single, strict=True)]
    return (len(off), sum(value <= SAME_SCORE[dtype] for value in off), []), max(off)


def bench(
    name: str, quick: bool = False, dtypes: Sequence[str] = ("float32", "bfloat16"), progress: Advance = silent
) -> BenchReport:
    """Run the bench on a subject.

    Args:
        name: Any subject.
        quick: Shorter replies and fewer rows: a look, not a figure to quote.
        dtypes: In which dtypes.
        progress: Told of every row; there are ``n_rows`` of them.
    """
    sizes = QUICK if quick else Sizes()
    rows: list[BenchRow] = []
    rates: dict[str, float] = {}
    fractions: dict[str, float] = {}
    widths: dict[str, int] = {}
    extras, way = {}, ""
    for dtype in dtypes:
        begun = perf_counter()
        subject = load_subject(name, dtype=dtype)
        extras[f"load_seconds_{dtype}"] = perf_counter() - begun
        one = Bench(subject, sizes, progress)
        weights = decode_weights(subject)
        before = product_rate(weights, one.width)
        one.self_reports()
        one.scores("yes_no", tasks.yes_no(one.drawn, sizes.vectors))
        one.scores("localisation", tasks.localisation(one.drawn, sizes.localised))
        rates[dtype] = max(before, product_rate(weights, one.width))
        widths[dtype], way = one.width, subject.engine.way
        if one.step_seconds:
            done = 2 * sum(weight.numel() for weight in weights) * one.width / one.step_seconds / 1e9
            fractions[dtype] = done / rates[dtype]
        if dtype == "float32" and not quick:
            extras |= one.extras()
        rows += one.rows
        del one, subject, weights
    extras["import_seconds"] = _import_seconds()
    return BenchReport(
        subject=name, way=way, width=widths, matmul_gflops=rates, decode_fraction_of_matmul=fractions,
        rows=tuple(rows), extras=extras,
    )  # fmt: skip


def n_rows(dtypes: Sequence[str]) -> int:
    """Count the rows of a report."""
    return sum(13 if dtype == "float32" else 11 for dtype in dtypes)


def _import_seconds() -> float:
    """Time ``import introspect`` in a process of its own, an empty one taken off."""

    def best(code: str) -> float:
        runs: list[float] = []
        for _ in range(3):
            begun = perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            runs.append(perf_counter() - begun)
        return min(runs)

    return max(0.0, best("import introspect") - best("pass"))
