"""The error index has every error there is, and quotes the sentences as they are raised."""

import inspect
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
ROW = re.compile(r"^\| `(\w+)` \| `(.+?)` \| (.+?) \| (.+?) \|$", re.MULTILINE)


def rows():
    return {name: (message, cause, cure) for name, message, cause, cure in ROW.findall(PAGE.read_text())}


def every_error():
    from introspect import errors

    return {name: each for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, Exception)}


def test_every_error_has_its_message_cause_and_cure():
    found = rows()
    assert set(found) == set(every_error())
    assert all(all(cells) for cells in found.values())


def test_sentences_that_an_error_makes_itself_are_quoted_as_they_are():
    from introspect import errors
    from introspect.plots.paper import NO_BROWSER

    made = {
        "UnknownNameError": errors.UnknownNameError("concept", "bred", ["bread", "dust"]),
        "LayerError": errors.LayerError(40, 30, "smollm2"),
        "StrengthError": errors.StrengthError(-1),
        "ShapeError": errors.ShapeError("vector", (576,), (64,)),
        "VectorMismatchError": errors.VectorMismatchError("bread", "a" * 32, "b" * 32),
        "InjectionActiveError": errors.InjectionActiveError(),
        "FigureError": errors.FigureError(NO_BROWSER),
    }
    quoted = rows()
    for name, error in made.items():
        assert quoted[name][0] == str(error)
    own = {name for name, each in every_error().items() if "__str__" in vars(each)}
    assert own <= set(made)
