"""What annotates shapes runs under a checker of shapes while tests run."""

import pytest
import torch
from jaxtyping import TypeCheckError

from introspect.injection import add


def test_a_shape_that_does_not_fit_is_noticed():
    residual, deltas, mask = torch.zeros(2, 3, 4), torch.zeros(2, 4), torch.ones(2, 3, dtype=torch.bool)
    assert add(residual, deltas, mask).shape == residual.shape
    with pytest.raises(TypeCheckError, match="residual"):
        add(residual[0], deltas, mask)
    with pytest.raises(TypeCheckError, match="mask"):
        add(residual, deltas, mask.float())
