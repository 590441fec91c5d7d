"""What a bench finds, and how much of everything it looks at."""

from dataclasses import dataclass

from introspect.records import Record


class BenchRow(Record):
    """One task, way and dtype. ``rows`` were compared with batch 1; ``gaps`` are the near ties' distances."""

    task: str
    way: str
    dtype: str
    trials: int
    seconds_per_trial: float
    ratio_to_batch1: float
    rows: int
    equal_rows: int
    near_tie_rows: int
    peak_mib: float
    gaps: tuple[float, ...] = ()
    largest_difference: float | None = None


class BenchReport(Record):
    """All of it; rates and fractions by dtype, and what the goals name besides."""

    subject: str
    way: str
    width: dict[str, int]
    matmul_gflops: dict[str, float]
    decode_fraction_of_matmul: dict[str, float]
    rows: tuple[BenchRow, ...]
    extras: dict[str, float]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    tokens: int = 100
    compared: int = 32
    compared_bfloat16: int = 8
    sampled: int = 12
    batch: int = 32
    vectors: int = 2
    localised: int = 40

    def n(self, dtype: str) -> int:
        """Return how many rows are compared with batch 1."""
        return self.compared if dtype == "float32" else self.compared_bfloat16


QUICK = Sizes(tokens=24, compared=6, compared_bfloat16=4, batch=16, vectors=1, localised=20)
