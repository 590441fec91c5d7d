"""The run that has no effect whatever its subject: replies of a real run, their conditions dealt again.

Within each experiment, task and wording the arms and concepts of all trials are dealt out among them, each with the
prompt and lead-in that it had, so that what was a pair with and without injection is one still; those of an unrelated
question among its own trials, since a question has few clean ones and without any it is none. Replies and read-outs
stay what they were, so everything that is odd about a subject is still there; only what was done to it is no longer
what the record says.
"""

from collections.abc import Sequence

import polars as pl

from introspect.analysis.criteria.evidence import GONE_ON
from introspect.analysis.means import generator

CONDITION = ["arm", "concept", "unit", "layer", "strength", "prompt"]
OF_THE_CONCEPT = ("named", "success")
"""What was read against the concept that a trial had; the criteria read the names themselves."""
WITHIN = ["protocol", "task", "wording", "question"]


def relabelled(frames: Sequence[pl.DataFrame], seed: int) -> list[pl.DataFrame]:
    """Return the outcomes of a run with the conditions dealt again.

    Replies that went on without the vector stay with the reply they follow.

    Args:
        frames: Outcomes of every experiment.
        seed: Of the dealing.
    """
    rng = generator(seed)
    found: list[pl.DataFrame] = []
    for frame in frames:
        kept = frame.filter(pl.col("arm").is_in(GONE_ON))
        dealt = frame.filter(~pl.col("arm").is_in(GONE_ON)).with_columns(
            *(pl.lit(None, pl.Boolean).alias(name) for name in OF_THE_CONCEPT if name in frame.columns),
            pl.when(pl.col("task").str.starts_with("question")).then("item").alias("question"),
        )
        parts = [
            part.with_columns(part.select(moved)[rng.permutation(part.height)].get_columns())
            for (*_, question), part in dealt.group_by(WITHIN, maintain_order=True)
            for moved in [CONDITION if question else [*CONDITION, "item"]]
        ]
        found.append(pl.concat([*(part.drop("question") for part in parts), kept]))
    return found
