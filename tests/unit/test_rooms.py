"""Each library of others is imported in one room of the house, so that its next version is met in one place."""

import ast
from pathlib import Path

import pytest

ROOMS = {
    "anywidget": ("lab/",),
    "inspect_ai": ("evals/",),
    "nnsight": ("subjects/trace",),
    "plotly": ("plots/", "report/"),  # a page is made of figures
    "ray": ("sweeps/",),
    "sae_lens": ("vectors/sae",),
    "steering_vectors": ("vectors/steering.py",),
    "starlette": ("lab/",),
    "transformer_lens": ("subjects/lens.py", "subjects/bridge.py"),
    "uvicorn": ("lab/",),
}
"""Where a library may be imported, as beginnings of paths in the package; no room need be used."""
ASKS = {"import_module", "find_spec", "__import__"}
"""Functions that import, or ask for, what their first argument names."""


def named(tree):
    """Every module that a file imports, wherever the import stands, or has imported by its name in quotes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ASKS:
                yield str(node.args[0].value)


def libraries(source):
    return {name.partition(".")[0] for name in named(ast.parse(source))} & ROOMS.keys()


@pytest.fixture(scope="module")
def found():
    """The libraries that each file of the package imports."""
    import introspect

    package = Path(introspect.__file__).parent
    return {str(file.relative_to(package)): libraries(file.read_text("utf-8")) for file in package.rglob("*.py")}


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_is_imported_in_its_own_room_alone(found, library):
    strangers = [
        file for file, imported in found.items() if library in imported and not file.startswith(ROOMS[library])
    ]
    assert strangers == []


def test_the_look_around_sees_what_is_there(found):
    assert "plotly" in found["plots/style.py"]
    assert "sae_lens" in found["vectors/sae.py"]  # by a name in quotes
    assert "inspect_ai" in found["evals/hosted.py"]  # inside a function


@pytest.mark.parametrize(
    ("source", "library"),
    [
        ("import ray", "ray"),
        ("def f():\n    from ray.util import queue", "ray"),
        ("importlib.import_module('nnsight.modeling')", "nnsight"),
        ("find_spec('plotly')", "plotly"),
    ],
)
def test_an_import_is_seen_in_every_form(source, library):
    assert libraries(source) == {library}


def test_what_only_sounds_like_a_library_is_none():
    assert libraries("from introspect.subjects import ray\nimport arrays\nbackend = 'nnsight'") == set()
