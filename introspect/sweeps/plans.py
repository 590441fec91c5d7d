"""Reading a plan: TOML, overrides from the command line, and one clear sentence for what does not fit."""

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from introspect.errors import PlanError
from introspect.records import Plan, Record, Rules

BATTERY = "experiment"
"""The key of a battery's list of experiments."""
RULES = "criteria"
"""The key of a study's rules."""
CODE = "trust_remote_code"
LARGEST = 1 << 24
"""Bytes of the largest file that is read as a plan."""
SHOWN = 200
"""Characters of a wrong value that a sentence repeats."""


def load_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read a plan file and apply ``key=value`` overrides; a value is TOML, or a bare word.

    Paths in the plan (concepts, baseline, stimuli, subject) start at the working folder or, if there is no such file
    there, at the plan's own folder.

    Raises:
        PlanError: No such file, no TOML, an unknown key, or a value that does not fit.
    """
    content = _content(path)
    if content.get(BATTERY):
        message = f"{path} is a battery of {len(content[BATTERY])} experiments, not one plan; use introspect run on it"
        raise PlanError(message)
    _override_all(content, overrides)
    content.setdefault("name", _name(path))
    return _beside(plan_from(content, str(path)), path.parent)


def is_battery(path: Path) -> bool:
    """Whether a file holds several experiments."""
    return bool(_content(path).get(BATTERY))


def load_battery(path: Path, overrides: Sequence[str] = ()) -> list[Plan]:
    """Read a battery: keys that hold for all experiments, and ``[[experiment]]`` tables with those of each.

    Overrides hold for all experiments. Every experiment's name is its protocol unless it has one of its own.

    Raises:
        PlanError: An experiment does not fit, or two have one name.
    """
    content = _content(path)
    experiments = content.pop(BATTERY, [])
    content.pop(RULES, None)
    shared = {key: value for key, value in content.items() if key not in {"name", "question"}}
    plans: list[Plan] = []
    for number, own in enumerate(experiments, start=1):
        whole = {**shared, **own}
        for first, second in (("layers", "depths"), ("depths", "layers")):
            if first in own and second not in own:
                whole.pop(second, None)
        _override_all(whole, overrides)
        whole.setdefault("name", whole.get("protocol", f"experiment {number}"))
        plans.append(_beside(plan_from(whole, f"{path}, experiment {whole['name']!r}"), path.parent))
    if not plans:
        message = f"the plan {path} has no experiments; a battery has tables [[{BATTERY}]]"
        raise PlanError(message)
    names = [plan.name for plan in plans]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        message = f"the battery {path} has two experiments named {', '.join(repeated)}; give each a name of its own"
        raise PlanError(message)
    return plans


def is_study(path: Path) -> bool:
    """Whether a file holds a study: a battery with rules for its verdicts."""
    return RULES in _content(path)


def load_study(path: Path, overrides: Sequence[str] = ()) -> tuple[Rules, list[Plan]]:
    """Read a study: a battery with a table ``[criteria]``, one of whose experiments chooses the cell for the others.

    Raises:
        PlanError: An experiment or a rule does not fit, or the experiment that chooses is missing.
    """
    plans = load_battery(path, overrides)
    try:
        rules = Rules.model_validate(_content(path).get(RULES, {}))
    except ValidationError as error:
        raise PlanError(_sentence(error, f"{path}, table [{RULES}]", Rules)) from error
    names = [plan.name for plan in plans]
    for key in ("salt", "concepts", "n_concepts", "seed"):
        if len({getattr(plan, key) for plan in plans}) > 1:
            message = (
                f"the study {path} has experiments that differ in {key!r}, so that its halves would not be kept apart"
            )
            raise PlanError(f"{message}; give it once, above the experiments")
    if rules.choose not in names:
        message = (
            f"the study {path} has no experiment {rules.choose!r}, which is to choose the cell; "
            f"it has: {', '.join(names)}"
        )
        raise PlanError(message)
    unknown = [name for name in rules.explore if name not in names]
    if unknown:
        message = f"the study {path} has no experiment {unknown[0]!r} to explore the grid; it has: {', '.join(names)}"
        raise PlanError(message)
    if rules.n_wordings is not None:
        _check_wordings(path, rules, plans)
    return rules, plans


def _check_wordings(path: Path, rules: Rules, plans: Sequence[Plan]) -> None:
    """Refuse experiments that cannot be asked in the wordings that are chosen."""
    first = next(plan for plan in plans if plan.name == rules.choose)
    for plan in plans:
        asked = plan.protocol == first.protocol and plan.name not in rules.on_grid
        if asked and plan.wordings and set(plan.wordings) != set(first.wordings):
            message = (
                f"the study {path} chooses among the wordings of {first.name!r}, which are those of all experiments of "
                f"its protocol; {plan.name!r} names others: leave its wordings out, or give it the same"
            )
            raise PlanError(message)


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            message = f"the plan {path} is no plan: it has {path.stat().st_size} bytes"
            raise PlanError(message)
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        message = f"the plan {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise PlanError(message) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, PlanError):
            raise
        message = f"the plan {path} is not TOML: {error}"
        raise PlanError(message) from error
    _check_tables(content, path)
    return content


def _check_tables(content: dict[str, Any], path: Path) -> None:
    """Refuse what is no list of tables where one is wanted, and a file that wants code to be run.

    A plan may come from anyone; whether code that comes with weights is run is for the person at the keyboard to say.
    """
    experiments = content.get(BATTERY, [])
    if not isinstance(experiments, list) or not all(isinstance(each, dict) for each in experiments):
        message = f"the plan {path} has an entry {BATTERY!r} that is no list of tables [[{BATTERY}]]"
        raise PlanError(message)
    if any(table.get(CODE, False) is not False for table in (content, *experiments)):
        message = (
            f"the plan {path} asks to run code that comes with the weights ({CODE}), which no file can; if you know "
            f"whose code it is, say so yourself: --set {CODE}=true"
        )
        raise PlanError(message)


def _name(path: Path) -> str:
    return path.resolve().parent.name or path.stem if path.stem == "plan" else path.stem


def changed(content: dict[str, Any], overrides: Sequence[str], source: str) -> Plan:
    """Return the plan of a content after overrides; paths in it start at the working folder.

    Raises:
        PlanError: Something does not fit; the sentence names the source.
    """
    _override_all(content, overrides)
    return plan_from(content, source)


def _override_all(content: dict[str, Any], overrides: Sequence[str]) -> None:
    for override in overrides:
        key, value = _override(override)
        if key in {"layers", "depths"}:  # naming one replaces the other
            content.pop("depths" if key == "layers" else "layers", None)
        content[key] = value


def plan_from(content: dict[str, Any], source: str) -> Plan:
    """Check a plan's content."""
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        raise PlanError(_sentence(error, source)) from error


def _override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        message = f"--set takes key=value, for example --set samples=2; it was given {text!r}"
        raise PlanError(message)
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value.strip()


def _sentence(error: ValidationError, source: str, record: type[Record] = Plan) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, record.model_fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f". Keys: {', '.join(record.model_fields)}"
        return f"the plan {source} has an unknown key {key!r}{hint}"
    message = first["msg"].removeprefix("Value error, ")
    shown = repr(first["input"])
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} …"
    given = f" (given: {shown})" if key and "given" not in message else ""
    return f"the plan {source}{f', {key}' if key else ''}: {message}{given}"


def _beside(plan: Plan, folder: Path) -> Plan:
    """Let paths that stand beside the plan be found from anywhere."""
    found: dict[str, str] = {}
    for key in ("concepts", "baseline", "stimuli", "subject", "adapter", "vectors", "questions"):
        value = getattr(plan, key)
        if isinstance(value, str) and not _exists(Path(value)) and _exists(folder / value):
            found[key] = str(folder / value)
    return plan.model_copy(update=found)


def _exists(path: Path) -> bool:
    """Whether there is such a file; a text that can be none is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
