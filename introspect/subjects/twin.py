"""A second module over the same weights, for libraries that rebuild the module they are given."""

import copy

from transformers import PreTrainedModel


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a model that shares every parameter and buffer with it; nothing that holds numbers is copied.

    Training one trains the other; blocks replaced, hooks set and configuration changed on one stay there.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)
