"""Wordings as data: conversations in which ``{{name}}`` marks where a span begins and ``{{/name}}`` where it ends.

A mark without an end runs to the end of the prompt. Marks are cut out before the text is sent. ``{name}`` is a slot
that an experiment fills with a text; ``{ask}`` takes what a task asks, ``{manner}`` how it wants the answer. The lab
ships its own wordings; published ones are read from a stimulus file of the user's, TOML or JSON, in the same form.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from introspect.errors import StimulusError, UnknownNameError
from introspect.records import Record, digest

SHIPPED = resources.files("introspect") / "data" / "stimuli"
MARK = re.compile(r"\{\{(/?)([a-z][a-z0-9_]*)\}\}")
SLOT = re.compile(r"(?<!\{)\{([a-z][a-z0-9_]*)\}(?!\})")
VARIES = "varies"
"""The mark that is set where a conversation begins to differ from trial to trial; what stands before it is shared."""
SHARED_SLOTS = frozenset({"info", "ask", "manner"})
EMPTY_SLOTS: Mapping[str, str] = {"info": "", "lead": ""}
"""Slots that stay empty where an experiment has nothing to put into them."""


class Turn(Record):
    """One turn of a conversation, marks included."""

    role: Literal["system", "user", "assistant"]
    text: str


class Wording(Record):
    """One conversation up to the subject's reply, for one task or several.

    ``ask`` is what each task puts into ``{ask}``; where ``manner`` is given, too, and ``{manner}`` stands in the task's
    text, every manner makes a task of its own, called ``task/manner``. ``begin`` is how a task's reply is begun for the
    subject. A last turn by the assistant is a beginning, too: the reply continues it.
    """

    protocol: str
    turns: tuple[Turn, ...] = Field(min_length=1)
    ask: dict[str, str] = Field(default_factory=dict)
    manner: dict[str, str] = Field(default_factory=dict)
    begin: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _marks_pair_up(self) -> "Wording":
        for ask in self.ask.values() or ("",):
            seen: set[tuple[str, str]] = set()
            for slash, name in MARK.findall(self._text().replace("{ask}", ask)):
                if (slash, name) in seen or (slash and ("", name) not in seen):
                    message = f"the mark {{{{{slash}{name}}}}} stands twice or ends before it begins"
                    raise ValueError(message)
                seen.add((slash, name))
        for task in self.begin:
            if task not in self.ask:
                message = f"a reply is begun for the task {task!r}, which nothing asks for"
                raise ValueError(message)
        return self

    def _text(self) -> str:
        return "".join(turn.text for turn in self.turns)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks; empty where the conversation is for whatever its protocol asks first."""
        return tuple(name for task in self.ask for name in self._manners(task))

    def _manners(self, task: str) -> Iterator[str]:
        if self.manner and "{manner}" in self._text() + self.ask[task]:
            yield from (f"{task}/{manner}" for manner in self.manner)
        else:
            yield task

    @property
    def marks(self) -> tuple[str, ...]:
        """Names of the spans marked in the text, in order."""
        text = self._text() + "".join(self.ask.values())
        return tuple(dict.fromkeys(name for slash, name in MARK.findall(text) if not slash))

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots that an experiment fills, in order."""
        text = "".join((self._text(), *self.ask.values(), *self.manner.values(), *self.begin.values()))
        return tuple(dict.fromkeys(name for name in SLOT.findall(text) if name not in {"ask", "manner"}))

    def slots_of(self, task: str) -> tuple[str, ...]:
        """Return the names of the slots that a task's conversation has, in order."""
        head, _, manner = task.partition("/")
        parts = (self._text(), self.ask.get(head, ""), self.manner.get(manner, ""), self.begin.get(head, ""))
        return tuple(dict.fromkeys(name for name in SLOT.findall("".join(parts)) if name not in {"ask", "manner"}))

    @property
    def digest(self) -> str:
        """Hash of roles, texts and marks."""
        turns = [[turn.role, turn.text] for turn in self.turns]
        more = [self.ask, self.manner, self.begin]
        return digest([turns, *more] if any(more) else turns)

    def require_mark(self, name: str, wording: str) -> None:
        """Raise ``StimulusError`` with the marks there are, unless ``name`` is one of them."""
        if name not in self.marks:
            raise UnknownNameError(f"span marker in the wording {wording!r}", name, self.marks)

    def conversation(self, task: str = "", fill: Mapping[str, str] | None = None) -> tuple[Turn, ...]:
        """Return the turns of a task with every slot filled, marks still in them.

        The mark ``varies`` stands where the first text is put in that other trials of the wording do not share.

        Raises:
            StimulusError: A slot that nothing fills.
        """
        head, _, manner = task.partition("/")
        named = {"ask": self.ask.get(head, ""), "manner": self.manner.get(manner, "")}
        turns = list(self.turns)
        if head in self.begin:
            turns.append(Turn(role="assistant", text=self.begin[head]))
        values = {**EMPTY_SLOTS, **(fill or {})}
        done: list[Turn] = []
        marked = False
        for turn in turns:
            whole = _filled(_filled(turn.text, named, named), named, named)
            first = next((each for each in SLOT.finditer(whole) if each[1] not in SHARED_SLOTS), None)
            if first and not marked:
                whole, marked = f"{whole[: first.start()]}{{{{{VARIES}}}}}{whole[first.start() :]}", True
            done.append(Turn(role=turn.role, text=_filled(whole, values)))
        return tuple(done)


def _filled(text: str, values: Mapping[str, str], only: Mapping[str, str] | None = None) -> str:
    """Fill the slots of a text, all of them or only some; values are put in as they are."""
    parts: list[str] = []
    end = 0
    for match in SLOT.finditer(text):
        name = match[1]
        if only is not None and name not in only:
            continue
        if name not in values:
            message = f"nothing fills the slot {{{name}}} of this wording; filled are: {', '.join(values) or 'none'}"
            raise StimulusError(message)
        parts += [text[end : match.start()], values[name]]
        end = match.end()
    return "".join((*parts, text[end:]))


class Question(Record):
    """A yes–no question that has nothing to do with the experiment.

    ``frame`` is ``detection`` where it is the detection question with a word changed, ``own`` otherwise.
    """

    text: str
    answer: Literal["yes", "no", "open"]
    frame: Literal["own", "detection"] = "own"


class MultipleChoice(Record):
    """A question of fact with some answers; ``answer`` is the index of the right one."""

    question: str
    options: tuple[str, ...] = Field(min_length=2)
    answer: int

    @model_validator(mode="after")
    def _has_its_answer(self) -> "MultipleChoice":
        if not 0 <= self.answer < len(self.options):
            message = f"answer {self.answer} is none of the options 0 to {len(self.options) - 1} of {self.question!r}"
            raise ValueError(message)
        return self


class Stimuli(Record):
    """A stimulus file: the extraction prompt, with ``{word}`` where the word goes, the wordings by name, and lists.

    ``lists`` are named lists of texts (``sentences``, ``lead_ins``, ``paragraphs``, ``notes``, or words), ``more`` what
    is joined to the shipped lists, ``info`` the texts put before a conversation, ``grader`` what a judge is asked.
    """

    title: str = ""
    source: str = ""
    extract: str = "Please tell me something about {word}"
    wording: dict[str, Wording] = Field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    more: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    info: dict[str, str] = Field(default_factory=dict)
    question: tuple[Question, ...] = ()
    multiple_choice: tuple[MultipleChoice, ...] = ()
    grader: dict[str, str] = Field(default_factory=dict)

    @field_validator("extract")
    @classmethod
    def _has_a_place(cls, extract: str) -> str:
        if "{word}" not in extract:
            message = f"the extraction prompt {extract!r} has no {{word}} in it"
            raise ValueError(message)
        return extract

    def extraction_prompt(self, word: str) -> str:
        """Put a word into the extraction prompt."""
        return self.extract.replace("{word}", word)

    def choose(self, names: tuple[str, ...], protocol: str) -> dict[str, Wording]:
        """Return the named wordings of a protocol, or all of them where no name is given."""
        fitting = {name: wording for name, wording in self.wording.items() if wording.protocol == protocol}
        for name in names:
            if name not in fitting:
                raise UnknownNameError(f"wording for {protocol}", name, fitting)
        chosen = {name: fitting[name] for name in names} if names else fitting
        if not chosen:
            message = f"the stimulus file {self.title or 'given'!r} has no wording for the protocol {protocol!r}"
            raise StimulusError(message)
        return chosen

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts by name; ``UnknownNameError`` gives the near miss."""
        if name not in self.lists:
            raise UnknownNameError("list in the stimulus file", name, self.lists)
        return self.lists[name]


def load_stimuli(source: str | Path = "default", folder: Path | None = None) -> Stimuli:
    """Read the shipped stimuli by name (``default``) or the user's TOML or JSON file.

    What a file of the user's leaves out (lists, questions, information texts) is the shipped one's; so are the wordings
    of one that has none. Its ``more`` is joined to the lists.

    Raises:
        StimulusError: No such file, or its content does not fit; the sentence names the entry.
    """
    if str(source) == "default":
        return shipped()
    path = (folder or Path()) / source
    if not path.is_file():
        message = f"there is no stimulus file {path} (the shipped one is called default)"
        raise StimulusError(message)
    return _completed(parse_stimuli(path))


def shipped() -> Stimuli:
    """Return the lab's own stimuli: all files of the shipped folder together."""
    content: dict[str, Any] = {}
    for file in sorted((SHIPPED / "default").iterdir(), key=lambda entry: entry.name):
        for key, value in tomllib.loads(file.read_text("utf-8")).items():
            joined = {**content.get(key, {}), **value} if isinstance(value, dict) else value
            content[key] = [*content.get(key, []), *value] if isinstance(value, list) else joined
    return _validated(content, "default")


def parse_stimuli(path: Path) -> Stimuli:
    """Read a stimulus file as it is, nothing added.

    Raises:
        StimulusError: It is not UTF-8, not TOML or JSON, or an entry does not fit.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the stimulus file {path} cannot be read as UTF-8 text: {error}"
        raise StimulusError(message) from error
    try:
        content = {"title": str(path), **(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))}
    except (ValueError, TypeError, RecursionError) as error:
        message = f"the stimulus file {path} is not {path.suffix.removeprefix('.').upper() or 'TOML'}: {error}"
        raise StimulusError(message) from error
    return _validated(content, str(path))


def _validated(content: Mapping[str, Any], name: str) -> Stimuli:
    try:
        return Stimuli.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        message = f"the stimulus file {name} has a wrong entry at {where}: {first['msg']}"
        raise StimulusError(message) from error


def _completed(own: Stimuli) -> Stimuli:
    base = shipped()
    lists = {**base.lists, **own.lists}
    for name, texts in own.more.items():
        lists[name] = tuple(dict.fromkeys((*base.model_copy(update={"lists": lists}).texts(name), *texts)))
    return own.model_copy(
        update={
            "wording": own.wording or base.wording,
            "lists": lists,
            "more": {},
            "info": {**base.info, **own.info},
            "question": own.question or base.question,
            "multiple_choice": own.multiple_choice or base.multiple_choice,
            "grader": {**base.grader, **own.grader},
        }
    )
