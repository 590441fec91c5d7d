"""What the engine keeps of a row between forward passes: its own keys and values, or its recurrent state.

A row holds only its own tokens, those behind its prefix, in a buffer that is written in place; nothing is concatenated
and nothing of the prefix is copied. Layers with a recurrent state (linear attention, Mamba) have no prefix to attend
to: the state after the prefix is copied into the row, which is small and as exact.
"""

from collections.abc import Sequence
from contextvars import ContextVar, Token

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer, LinearAttentionLayer

from introspect.errors import SubjectError
from introspect.subjects.engine.passes import Pass, Prefix, State, each

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
        length: Own tokens that a row can hold.

    Raises:
        SubjectError: The model keeps something else than keys and values or recurrent states.
    """

    def __init__(self, config: PreTrainedConfig, width: int = 0, length: int = 0) -> None:
        like = DynamicCache(config=config).layers
        super().__init__(layers=[self._layer(index, layer) for index, layer in enumerate(like)])
        self.width, self.length = width, length
        self.turn = 0
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
    def recurrent(self) -> bool:
        """Whether any layer keeps a state that cannot be cut at a token."""
        return any(isinstance(layer, _StateLayer) for layer in self.layers)

    def begin(self, pass_: Pass, states: "dict[int, State] | None" = None) -> None:
        """Announce the next forward pass.

        Args:
            pass_: What it computes.
            states: Where the pass keeps no rows: the state that every row begins with in each recurrent layer.
        """
        self.pass_ = pass_
        self._token = _current.set(self)
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
        """Keep new keys and values; return all own ones that the pass attends to."""
        pass_ = self.pass_
        if pass_ is None:
            message = "a forward pass was not announced to its cache"
            raise RuntimeError(message)
        if self.collected is not None:
            self.collected[layer] = (key, value)
        if pass_.rows is None:
            return key, value
        if layer not in self.keys:
            self.keys[layer], self.values[layer] = (
                part.new_zeros(self.width, part.shape[1], self.length, part.shape[3]) for part in (key, value)
            )
        kept = self._write(self.keys[layer], key, pass_), self._write(self.values[layer], value, pass_)
        return (key, value) if pass_.offset == 0 else kept

    def _write(self, buffer: Tensor, new: Tensor, pass_: Pass) -> Tensor:
        rows = pass_.rows
        if pass_.offset is None:
            n = new.shape[0]
            own = (pass_.positions[:, 0] - pass_.begins).to(buffer.device)
            buffer.transpose(1, 2)[torch.arange(n, device=buffer.device), own] = new[:, :, 0]
            return buffer[:n, :, : pass_.n_own]
        stop = pass_.offset + new.shape[2]
        place = rows if isinstance(rows, slice) else rows.to(buffer.device)  # pyright: ignore
        buffer[place, :, pass_.offset : stop] = new
        return buffer[place, :, :stop]

    def admit(self, rows: Sequence[int], prefixes: Sequence[Prefix]) -> None:
        """Make rows ready for new trials behind their prefixes: nothing of the trials before them is left."""
        where = torch.tensor(rows)
        for buffer in (*self.keys.values(), *self.values.values()):
            buffer.index_fill_(0, where.to(buffer.device), 0)
        for row, prefix in zip(rows, prefixes, strict=True):
            for layer, state in prefix.states.items():
                self._keep_state(layer, state, slice(row, row + 1))

    def move(self, row: int, to: int, n_own: int) -> None:
        """Let a row take another one's place."""
        for buffer in (*self.keys.values(), *self.values.values()):
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
