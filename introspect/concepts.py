"""Concepts: a word with its aliases, or contrastive pairs of texts; read from shipped lists or the user's file.

A TOML file holds ``[[concept]]`` tables with ``word`` and, if wanted, ``aliases``, ``near`` and ``pairs``, or one plain
``words`` list. A CSV file has a column ``word`` (and ``aliases``, separated by ``|``), or the columns ``concept``,
``positive`` and ``negative``, one pair a row.

A feature of a sparse autoencoder is a concept too: ``sae:SOURCE#INDEX=bread|loaf``, where SOURCE is a folder or
RELEASE/ID, and what stands behind ``=`` counts as naming it. Without that it has no word, and naming is not graded.
"""

import csv
import io
import random
import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from introspect.errors import StimulusError, UnknownNameError
from introspect.records import Record, digest

FEATURE = re.compile(r"sae:(?P<reference>[^#]+#\d{1,9})(?:=(?P<words>.*))?")
SHIPPED = resources.files("introspect") / "data" / "concepts"


class Concept(Record):
    """One concept: ``pairs`` are (with the concept, without it); ``aliases`` are other words that name it.

    ``near`` are related words that do not name it: a sentence with one of them is never drawn for the concept.
    ``feature`` is ``SOURCE#INDEX`` of a sparse autoencoder, whose direction is then the concept's; one that has no word
    of its own is called by that.
    """

    word: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    feature: str | None = Field(default=None, pattern=r"^[^#]+#\d{1,9}$")

    @property
    def name(self) -> str:
        """The lower-case word: what prompts, vector files and the command line call it (Lindsey 2025, appendix)."""
        return self.word.lower()

    @property
    def forms(self) -> tuple[str, ...]:
        """Every word or phrase that counts as naming it; none where a feature has no word."""
        return () if self.unnamed else (self.name, *self.aliases)

    @property
    def unnamed(self) -> bool:
        """Whether it is a feature of which nobody has said what it stands for."""
        return self.feature is not None and self.word == f"sae:{self.feature}"


class ConceptSet(Record):
    """A list of concepts in a fixed order.

    ``frequency`` is each name's Zipf frequency where it is known: log10 of occurrences in a billion words (van Heuven
    et al. 2014), a covariate for how easily a word is named at all.
    """

    title: str = ""
    source: str = ""
    concept: tuple[Concept, ...] = ()
    words: tuple[str, ...] = ()
    frequency: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_members(self) -> "ConceptSet":
        if not self.members:
            message = "the list holds no concept"
            raise ValueError(message)
        return self

    @cached_property
    def members(self) -> tuple[Concept, ...]:
        """The concepts, whichever way the file spells them."""
        return self.concept + tuple(Concept(word=word) for word in self.words)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The lower-case names in file order, repetitions kept."""
        return tuple(concept.name for concept in self.members)

    @property
    def digest(self) -> str:
        """Hash of the words and pairs; titles and aliases do not change a vector."""
        return digest([[c.name, c.pairs, *([c.feature] if c.feature else [])] for c in self.members])

    def get(self, name: str) -> Concept:
        """Return the concept of that name, upper or lower case; ``UnknownNameError`` gives the near miss."""
        for concept in self.members:
            if concept.name == name.strip().lower():
                return concept
        raise UnknownNameError("concept", name, dict.fromkeys(self.names))

    def sample(self, n: int, seed: int) -> "ConceptSet":
        """Return ``n`` concepts drawn without replacement, in file order: the same for the same seed."""
        if n > len(self.members):
            message = f"n_concepts = {n}, but the list {self.title or 'given'!r} has {len(self.members)}"
            raise StimulusError(message)
        chosen = sorted(random.Random(seed).sample(range(len(self.members)), n))
        return self.model_copy(update={"concept": tuple(self.members[i] for i in chosen), "words": ()})

    def unique(self) -> "ConceptSet":
        """Return the set itself, or raise where a concept stands twice (a baseline may repeat, a grid may not)."""
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            message = f"the list {self.title or 'given'!r} has these concepts twice: {', '.join(repeated)}"
            raise StimulusError(message)
        return self


def shipped_lists() -> list[str]:
    """Name the lists that come with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in SHIPPED.iterdir() if entry.name.endswith(".toml"))


def load_concepts(source: str | Path | Sequence[str], folder: Path | None = None) -> ConceptSet:
    """Read a shipped list by name, a TOML or CSV file, or the words themselves.

    Args:
        source: Name of a shipped list, or several joined by ``+``, path of a file, a feature (``sae:…``), or a
            sequence of features and of words from the shipped lists.
        folder: Where a relative path starts; the working folder by default.

    Raises:
        UnknownNameError: Neither a shipped list nor a file.
        StimulusError: The file cannot be read as concepts.
    """
    if not isinstance(source, str | Path):
        return ConceptSet(title="words given", concept=tuple(find_concept(word) for word in source))
    if str(source) in shipped_lists():
        return _parse_toml((SHIPPED / f"{source}.toml").read_text("utf-8"), str(source))
    if str(source).startswith("sae:"):
        return ConceptSet(title=str(source), concept=(parse_feature(str(source)),))
    if "+" in str(source) and not Path(source).exists():
        return _joined(str(source))
    path = (folder or Path()) / source
    if not path.is_file():
        if path.suffix in {".toml", ".csv"}:
            message = f"there is no concept file {path}"
            raise StimulusError(message)
        raise UnknownNameError("concept list", str(source), shipped_lists())
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the concept file {path} cannot be read as UTF-8 text: {error}"
        raise StimulusError(message) from error
    return _parse_csv(text, str(path)) if path.suffix == ".csv" else _parse_toml(text, str(path))


def _joined(source: str) -> ConceptSet:
    """Read several shipped lists as one; a concept that stands in two of them is that of the first."""
    members: dict[str, Concept] = {}
    frequency: dict[str, float] = {}
    for name in source.split("+"):
        if name.strip() not in shipped_lists():
            raise UnknownNameError("concept list", name.strip(), shipped_lists())
        one = load_concepts(name.strip())
        frequency |= one.frequency
        for concept in one.members:
            members.setdefault(concept.name, concept)
    return ConceptSet(title=source, concept=tuple(members.values()), frequency=frequency)


def find_concept(word: str) -> Concept:
    """Find a word in the shipped lists, aliases included, or read a feature.

    Raises:
        UnknownNameError: No shipped list has it; own words come from a file.
    """
    if word.strip().startswith("sae:"):
        return parse_feature(word.strip())
    known: dict[str, Concept] = {}
    for name in ("lindsey_concepts", *shipped_lists()):  # first the list that has aliases
        for concept in load_concepts(name).members:
            known.setdefault(concept.name, concept)
    if word.strip().lower() not in known:
        raise UnknownNameError("concept (words of your own come from a TOML or CSV file)", word, known)
    return known[word.strip().lower()]


def parse_feature(text: str) -> Concept:
    """Read ``sae:SOURCE#INDEX`` or ``sae:SOURCE#INDEX=word|alias``.

    Raises:
        StimulusError: It is not of that form.
    """
    found = FEATURE.fullmatch(text)
    words = [word.strip() for word in (found["words"] or "").split("|")] if found else []
    if found is None or (found["words"] is not None and not all(words)):
        message = (
            f"{text!r} names no feature; it takes sae:RELEASE/ID#123 or sae:path/to/folder#123, and behind it "
            "=word or =word|alias where a word counts as naming it"
        )
        raise StimulusError(message)
    reference = found["reference"]
    if found["words"] is None:
        return Concept(word=f"sae:{reference}", feature=reference)
    return Concept(word=words[0], aliases=tuple(words[1:]), feature=reference)


def _parse_toml(text: str, name: str) -> ConceptSet:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"the concept file {name} is not TOML: {error}"
        raise StimulusError(message) from error
    try:
        return ConceptSet.model_validate({"title": name, **content})
    except ValidationError as error:
        raise StimulusError(_wrong_entry(name, error)) from error


def _wrong_entry(name: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "file"
    return f"the concept file {name} has a wrong entry at {where}: {first['msg']}"


def _parse_csv(text: str, name: str) -> ConceptSet:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        message = f"the concept file {name} is not CSV: {error}"
        raise StimulusError(message) from error
    for number, row in enumerate(rows, start=1):
        if None in row:
            message = f"row {number} of the concept file {name} has more cells than its header; quote cells with commas"
            raise StimulusError(message)
    try:
        return _from_rows(rows, name)
    except ValidationError as error:
        raise StimulusError(_wrong_entry(name, error)) from error


def _from_rows(rows: Sequence[dict[str, Any]], name: str) -> ConceptSet:
    columns = set(rows[0]) if rows else set()
    if "word" in columns:
        concepts = [Concept(word=row["word"], aliases=_aliases(row.get("aliases"))) for row in rows if row["word"]]
    elif columns >= {"concept", "positive", "negative"}:
        concepts = list(_grouped(rows))
    else:
        message = (
            f"the concept file {name} needs a header with the column word (and aliases), or the columns concept, "
            f"positive, negative; it has: {', '.join(sorted(str(c) for c in columns)) or 'no rows'}"
        )
        raise StimulusError(message)
    return ConceptSet(title=name, concept=tuple(concepts))


def _aliases(cell: str | None) -> tuple[str, ...]:
    return tuple(alias.strip() for alias in (cell or "").split("|") if alias.strip())


def _grouped(rows: Iterable[dict[str, Any]]) -> Iterable[Concept]:
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        pairs.setdefault(row["concept"], []).append((row["positive"], row["negative"]))
    for word, texts in pairs.items():
        yield Concept(word=word, pairs=tuple(texts))
