"""The tasks of an experiment in the order in which figures and tables have them."""

from collections.abc import Iterable

from introspect.analysis.effects import PAIRS
from introspect.analysis.metrics import PRIMARY

_CONTROL = tuple(task for pair in PAIRS for task in pair)


def in_order(protocol: str, tasks: Iterable[str]) -> list[str]:
    """Return tasks in the order of the experiment, each once; one task's manners stand together."""
    known = _CONTROL if protocol == "intentional_control" else tuple(PRIMARY.get(protocol, ()))

    def place(task: str) -> tuple[int, str]:
        head = task.partition("/")[0]
        return (known.index(head) if head in known else len(known)), task

    return sorted(set(tasks), key=place)
