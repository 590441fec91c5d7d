"""A second module over the same weights, for libraries that rebuild the module they are given."""

import copy

from transformers import PreTrainedModel

from introspect.errors import SubjectError


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a model that shares every parameter and buffer with it; nothing that holds numbers is copied.

    Training one trains the other; blocks replaced, hooks set and configuration changed on one stay there.

    Raises:
        SubjectError: The model is spread over devices, by hooks that know the original's modules only.
    """
    if getattr(model, "hf_device_map", None):
        message = f"{type(model).__name__} is spread over devices by a device map, and this backend wants it on one"
        raise SubjectError(message)
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)
