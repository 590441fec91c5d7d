"""The embedded model, loaded once."""

import pytest


@pytest.fixture(scope="session")
def smollm2():
    """SmolLM2-135M-Instruct in float32."""
    from introspect import load_subject

    return load_subject("smollm2", device="cpu", dtype="float32")
