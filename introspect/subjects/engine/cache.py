"""What the engine keeps of a row between forward passes: its own keys and values, or its recurrent state.

A row holds only its own tokens, those behind its prefix, in a buffer that is written in place and grows a bucket at a
time; nothing of the prefix is copied. Layers with a recurrent state (linear attention, Mamba) have no prefix to attend
to: the state after the prefix is copied into the row, which is small and as exact.
"""

from collections.abc import Sequence
from contextvars import ContextVar, Token

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer, LinearAttentionLayer

from introspect.errors import SubjectError
from introspect.subjects.engine.passes import BUCKET, Pass, Prefix, State, each, rounded

_current: ContextVar["RowCache"] = ContextVar("current")


def current() -> "RowCache":
    """Return the cache of the forward pass that is under way."""
    return _current.get()


class _KeyLayer(DynamicLayer):
    """Stands where transformers keeps keys and values; the attention function does the keeping.

    Some families expand what ``update`` returns, so only the attention function sees the final keys and values.
    """

    def __init__(self, cache: "RowCache", index: int) -> None:
        super().__init__()
        self._cache, self._index = cache, index

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        self._cache.turn = self._index
        return key_states, value_states

    def get_seq_length(self) -> int:
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0


class _StateLayer(LinearAttentionLayer):
    """A recurrent layer whose state is laid in before a pass and taken out behind it."""

    def lay(self, state: State | None) -> None:
        self.__init__(self.number_of_states)
        for index, (conv, recurrent) in enumerate(zip(*state, strict=True) if state else ()):
            self.has_previous_state[index] = True
            if conv is not None:
                self.conv_states[index], self.conv_kernel_size[index] = conv, conv.shape[-1]
                self.is_conv_states_initialized[index] = True
                self.dtype, self.device = conv.dtype, conv.device
            if recurrent is not None:
                self.recurrent_states[index] = recurrent
                self.is_recurrent_states_initialized[index] = True

    def taken(self) -> State:
        indices = range(self.number_of_states)
        return tuple(self.conv_states[i] for i in indices), tuple(self.recurrent_states[i] for i in indices)


class RowCache(Cache):
    """Rows of own tokens, one buffer a layer.

    Args:
        config: The model's configuration.
        width: Number of rows.

    Raises:
        SubjectError: The model keeps something else than keys and values or recurrent states.
    """

    def __init__(self, config: PreTrainedConfig, width: int = 0) -> None:
        like = DynamicCache(config=config).layers
        super().__init__(layers=[self._layer(index, layer) for index, layer in enumerate(like)])
        self.width = width
        self.turn = 0
        self._used: set[int] = set()
        self._own = torch.zeros(0, dtype=torch.long)
        self._step: int | None = None
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}
        self.states: dict[int, State] = {}
        self.collected: dict[int, tuple[Tensor, Tensor]] | None = None
        self.pass_: Pass | None = None
        self._token: Token[RowCache] | None = None

    def _layer(self, index: int, like: object) -> "_KeyLayer | _StateLayer":
        if type(like) in (DynamicLayer, DynamicSlidingWindowLayer):
            return _KeyLayer(self, index)
        if type(like) is LinearAttentionLayer:
            return _StateLayer(like.number_of_states)
        message = f"its layer {index} keeps a {type(like).__name__}"
        raise SubjectError(message)

    @property
    def recurrent_layers(self) -> list[int]:
        """The layers that keep a state instead of keys and values."""
        return [index for index, layer in enumerate(self.layers) if isinstance(layer, _StateLayer)]

    def begin(self, pass_: Pass, states: "dict[int, State] | None" = None) -> None:
        """Announce the next forward pass.

        Args:
            pass_: What it computes.
            states: Where the pass keeps no rows: the state that every row begins with in each recurrent layer.
        """
        self.pass_ = pass_
        self._token = _current.set(self)
        if pass_.offset is None and isinstance(pass_.rows, slice):
            self._own = pass_.positions[:, 0] - pass_.begins
            self._step = int(self._own[0]) if bool((self._own == self._own[0]).all()) else None
            self._used.update(range(pass_.rows.start, pass_.rows.stop))
        for index, layer in enumerate(self.layers):
            if isinstance(layer, _StateLayer):
                given = None if states is None else states.get(index)
                # Recurrent layers write into the state they are given, and a prefix's state serves others after us.
                layer.lay(self._rows_of(index, pass_) if states is None else given and each(given, torch.clone))

    def _rows_of(self, layer: int, pass_: Pass) -> State | None:
        if layer not in self.states or (pass_.offset == 0 and not pass_.groups):
            return None
        rows = pass_.rows
        if isinstance(rows, slice):
            return each(self.states[layer], lambda part: part[rows])
        return each(self.states[layer], lambda part: part.index_select(0, rows.to(part.device)))  # pyright: ignore

    def end(self) -> None:
        """Keep what the pass left in recurrent layers, and forget the pass."""
        pass_ = self.pass_
        if self._token is not None:
            _current.reset(self._token)
        self._token, self.pass_ = None, None
        if pass_ is None or pass_.rows is None:
            return
        for index, layer in enumerate(self.layers):
            if isinstance(layer, _StateLayer):
                self._keep_state(index, layer.taken(), pass_.rows)

    def _keep_state(self, layer: int, state: State, rows: slice | Tensor) -> None:
        if layer not in self.states:
            self.states[layer] = each(state, lambda part: part.new_zeros(self.width, *part.shape[1:]))
        for kept, fresh in zip(self.states[layer], state, strict=True):
            for buffer, part in zip(kept, fresh, strict=True):
                if buffer is not None and part is not None:
                    buffer[rows] = part

    def store(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep new keys and values; return all own ones that the pass attends to.

        Returns:
            Keys ``[row, kv_head, width, own]`` and values ``[row, kv_head, own, width]``: each as the product wants it,
            so that no step has to lay a whole buffer out anew.
        """
        pass_ = self.pass_
        if pass_ is None:
            message = "a forward pass was not announced to its cache"
            raise RuntimeError(message)
        if self.collected is not None:
            self.collected[layer] = (key, value)
        if pass_.rows is None:
            return key.transpose(2, 3), value
        self.keys[layer] = self._fitting(self.keys.get(layer), key.transpose(2, 3), pass_, 3)
        self.values[layer] = self._fitting(self.values.get(layer), value, pass_, 2)
        keys = self._written(self.keys[layer].transpose(2, 3), key, pass_).transpose(2, 3)
        values = self._written(self.values[layer], value, pass_)
        return (key.transpose(2, 3), value) if pass_.offset == 0 else (keys, values)

    def _fitting(self, buffer: Tensor | None, new: Tensor, pass_: Pass, own: int) -> Tensor:
        """Return a buffer of the length that a pass attends to (``own`` is the dimension).

        A step of decoding attends to the buffer as it is: a part of a longer one would be laid out anew in every
        product that cannot skip what lies between its rows.
        """
        wanted = rounded(pass_.n_own, BUCKET)
        if buffer is None:
            shape = [self.width, *new.shape[1:]]
            shape[own] = wanted
            return new.new_zeros(shape)
        length = buffer.shape[own]
        if length == wanted or (length > wanted and pass_.offset is not None):
            return buffer
        shape = list(buffer.shape)
        shape[own] = wanted
        kept = min(length, wanted)
        fitting = buffer.new_zeros(shape)
        fitting.narrow(own, 0, kept).copy_(buffer.narrow(own, 0, kept))
        return fitting

    def _written(self, buffer: Tensor, new: Tensor, pass_: Pass) -> Tensor:
        """Write new keys or values, ``[row, kv_head, own, width]``; return those that the pass attends to."""
        rows, n = pass_.rows, new.shape[0]
        if pass_.offset is None:
            if self._step is not None:
                buffer[:n, :, self._step] = new[:, :, 0]
            else:
                lines, own = torch.arange(n, device=buffer.device), self._own.to(buffer.device)
                buffer.transpose(1, 2)[lines, own] = new[:, :, 0]
            return buffer[:n]
        stop = pass_.offset + new.shape[2]
        place = rows if isinstance(rows, slice) else rows.to(buffer.device)  # pyright: ignore
        buffer[place, :, pass_.offset : stop] = new
        return buffer[place, :, :stop]

    def admit(self, rows: Sequence[int], prefixes: Sequence[Prefix]) -> None:
        """Make rows ready for new trials behind their prefixes: nothing of the trials before them is left."""
        used = torch.tensor([row for row in rows if row in self._used], dtype=torch.long)
        self._used.update(rows)
        if len(used):
            for buffer in (*self.keys.values(), *self.values.values()):
                buffer.index_fill_(0, used.to(buffer.device), 0)
        for row, prefix in zip(rows, prefixes, strict=True):
            for layer, state in prefix.states.items():
                self._keep_state(layer, state, slice(row, row + 1))

    def move(self, row: int, to: int, n_own: int) -> None:
        """Let a row take another one's place."""
        for buffer in (*(keys.transpose(2, 3) for keys in self.keys.values()), *self.values.values()):
            buffer[to, :, :n_own] = buffer[row, :, :n_own]
            buffer[to, :, n_own:] = 0
        for state in self.states.values():
            for part in (part for parts in state for part in parts if part is not None):
                part[to] = part[row]

    def extended(self, prefix: Prefix, ids: Sequence[int]) -> Prefix:
        """Return the prefix with the tokens of the last pass behind it, from what was collected."""
        keys, values = {}, {}
        for layer, pair in (self.collected or {}).items():
            before = (prefix.keys.get(layer), prefix.values.get(layer))
            keys[layer], values[layer] = (
                part if old is None else torch.cat([old, part], dim=2) for old, part in zip(before, pair, strict=True)
            )
        states = {i: layer.taken() for i, layer in enumerate(self.layers) if isinstance(layer, _StateLayer)}
        return Prefix((*prefix.ids, *ids), keys, values, states)
