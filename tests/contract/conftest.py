"""Every contract is asked of every family; a subject that a test borrowed comes back without a hook on it."""

import pytest
import tiny
import witness

PADDED = ["llama", "gpt2", "gpt_neox", "qwen3", "gemma2", "gemma3_text", "mistral"]
"""Families that the slower path is tested on; all of them are carried by shared prefixes."""


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    """Matrices this small are not worth a second thread, which waits for a core that somebody else has."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=list(tiny.FAMILIES))
def subject(request):
    """The session's subject of each family."""
    yield from _lent(tiny.subject(request.param))


@pytest.fixture(params=PADDED)
def padded(request):
    """The same subjects on the slower path, where all rows of a batch stand side by side from the first pass on."""
    yield from _lent(tiny.subject(request.param, way="full prefill"))


@pytest.fixture
def llama():
    """The session's Llama, for claims that do not depend on the family."""
    yield from _lent(tiny.subject("llama"))


def _lent(subject):
    before = witness.n_hooks(subject.model)
    yield subject
    assert witness.n_hooks(subject.model) == before == 0
