"""Hooks that always come off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


@contextmanager
def watching(
    modules: Mapping[str, nn.Module], receive: Callable[[str, Tensor], None]
) -> Iterator[None]:
    """Call ``receive(name, output)`` whenever one of ``modules`` has run, inside the block.

    The hooks come off on success, on an exception and on KeyboardInterrupt alike.
    """
    with ExitStack() as stack:
        for name, module in modules.items():
            stack.callback(_watch(name, module, receive).remove)
        yield


def _watch(name: str, module: nn.Module, receive: Callable[[str, Tensor], None]) -> RemovableHandle:
    return module.register_forward_hook(lambda _module, _inputs, output: receive(name, output))
