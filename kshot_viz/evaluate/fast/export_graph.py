"""The graph of a network by ``torch.export``, for networks that ``torch.fx`` cannot follow.

An exported graph calls the operators of the library and reads parameters as inputs. Here it reads
them from the network, and the operators of one layer are a call of that layer again, so that layers
run for several candidates at once as in other graphs.
"""

from __future__ import annotations

import io
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind

from kshot_viz.evaluate.fast.agreement import Whole, accepted_graph
from kshot_viz.evaluate.fast.graph import Graph
from kshot_viz.evaluate.fast.trace import ONE_AT_A_TIME
from kshot_viz.models.head import Head

_aten = torch.ops.aten
# Calls that other graphs have too, by which it is known what can be computed side by side.
_KNOWN: dict[Any, Callable[..., Any]] = {
    _aten.add.Tensor: torch.add,
    _aten.mul.Tensor: torch.mul,
    _aten.cat.default: torch.cat,
    _aten.mean.dim: torch.mean,
    _aten.flatten.using_ints: torch.flatten,
    _aten.relu.default: torch.relu,
    _aten.tanh.default: torch.tanh,
    _aten.sigmoid.default: torch.sigmoid,
    _aten.gelu.default: F.gelu,
    _aten.silu.default: F.silu,
    _aten.max_pool2d.default: F.max_pool2d,
    _aten.avg_pool2d.default: F.avg_pool2d,
    _aten.adaptive_avg_pool2d.default: F.adaptive_avg_pool2d,
}
# They return nothing and hold for the sizes and types of the example.
_CHECKS = ("_assert", "sym_constrain")
_CONSTANT = "constant_{}"


@dataclass(frozen=True, eq=False)
class _Written:
    """Calls of a network's layers, and the tensors they read that the network does not name."""

    nodes: tuple[fx.Node, ...]
    constants: dict[str, Tensor]


# Of each network that copies with a new head were made of: exporting takes seconds, and every call
# of `evaluate` makes new copies. Graphs hold names of layers, and no network.
_KEPT: WeakKeyDictionary[Any, dict[tuple[Any, ...], _Written]] = WeakKeyDictionary()


def export_graph(network: nn.Module, example: Tensor, origin: Any = None) -> Graph | None:
    """Return the graph of a network, or None where it cannot be exported.

    It is accepted under the same conditions as one of
    :func:`kshot_viz.evaluate.fast.trace.trace`.

    Parameters
    ----------
    network : nn.Module
        A copy with its new head. The graph calls its own modules, which no longer work in place.
    example : Tensor, shape (N, ...)
        Prepared images.
    origin : object, optional
        What the network is a copy of; its next copy is not exported again.
    """
    try:
        written = _written(network, example, origin)
    except Exception:  # What cannot be exported ends in any error of the library or the network.
        return None
    wrap = partial(_WithConstants, written.constants)
    return accepted_graph(written.nodes, network, example, wrap)


def _written(network: nn.Module, example: Tensor, origin: Any) -> _Written:
    if origin is None:
        return _Rewriter(_exported(network, example), network).written()
    kept = _KEPT.setdefault(origin, {})
    shapes = tuple((name, one.shape) for name, one in network.named_parameters())
    key = (shapes, example.shape, example.dtype, example.device)
    if key not in kept:
        kept[key] = _written(network, example, None)
    return kept[key]


def _exported(network: nn.Module, example: Tensor) -> Any:
    # With one image the number of images would be taken for a constant.
    images = example if len(example) > 1 else torch.cat([example, example])
    # Without a bound older versions find numbers of images that would overflow.
    sizes = ({0: torch.export.Dim("images", min=1, max=2**31 - 1)},)
    quiet = redirect_stderr(_OfOtherThreads(sys.stderr))
    with ONE_AT_A_TIME, quiet, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.export.export(network, (images.clone(),), dynamic_shapes=sizes, strict=False)


class _OfOtherThreads(io.TextIOBase):
    """Drops what this thread writes: the library prints half a graph where it cannot go on."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        """Write what another thread says."""
        if self._stream is not None and threading.get_ident() != self._thread:
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream itself."""
        if self._stream is not None:
            self._stream.flush()


class _WithConstants(Whole):
    """The network beside the tensors that its forward pass reads and that are no part of it."""

    def __init__(self, constants: dict[str, Tensor], network: nn.Module) -> None:
        super().__init__(network)
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)


class _Rewriter:
    """Writes an exported graph anew, as calls of a network's own layers where that is possible."""

    def __init__(self, program: Any, network: nn.Module) -> None:
        self._constants: dict[str, Tensor] = {}
        self._program, self._network = program, network
        self._graph = fx.Graph()
        self._made: dict[fx.Node, Any] = {}

    def written(self) -> _Written:
        """Return the new graph.

        Raises
        ------
        ValueError
            For what no graph here can say.
        """
        self._read_inputs()
        calls = [
            one for one in self._program.graph.nodes if one.op not in ("placeholder", "output")
        ]
        for path, run in groupby(calls, self._layer):
            self._add(path, list(run))
        returned = self._program.graph.output_node().args[0]
        if len(returned) != 1:
            raise ValueError("the network changes buffers, or returns several values")
        self._graph.output(self._made[returned[0]])
        self._graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
        return _Written(tuple(self._graph.nodes), self._constants)

    def _read_inputs(self) -> None:
        """Make the images the first node, and read all other inputs from the network."""
        inputs = {one.name: one for one in self._program.graph.nodes if one.op == "placeholder"}
        specs = list(self._program.graph_signature.input_specs)
        for spec in specs:
            if spec.kind == InputKind.USER_INPUT:
                self._made[inputs[spec.arg.name]] = self._graph.placeholder("images")
        for spec in specs:
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                where = f"whole.{spec.target}"
            elif spec.kind == InputKind.CONSTANT_TENSOR:
                where = _CONSTANT.format(len(self._constants))
                self._constants[where] = self._program.constants[spec.target]
            elif spec.kind == InputKind.USER_INPUT:
                continue
            else:
                raise ValueError(f"an input of kind {spec.kind}")
            self._made[inputs[spec.arg.name]] = self._read(where)

    def _read(self, where: str) -> fx.Node:
        # `Graph.get_attr` warns where the graph belongs to no module yet.
        return self._graph.create_node("get_attr", where)

    def _layer(self, node: fx.Node) -> str:
        """Name the layer without layers of its own, or the head, that a call belongs to."""
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            name = path.partition("@")[0]
            try:
                module = self._network.get_submodule(name)
            except AttributeError:
                continue
            if isinstance(module, Head) or _is_layer(module, name):
                return path
        return ""

    def _add(self, path: str, run: list[fx.Node]) -> None:
        """Add the calls of one layer as one call if it reads one value and makes one."""
        given, made = _read_by(run), _read_later(run)
        values = [one for one in given if self._made[one].op != "get_attr" and not _is_size(one)]
        if path and len(values) == 1 and len(made) == 1:
            name = f"whole.{path.partition('@')[0]}"
            call = self._graph.create_node("call_module", name, (self._made[values[0]],))
            self._made[made[0]] = call
            return
        for node in run:
            if not str(node.target).removeprefix("aten.").startswith(_CHECKS):
                self._made[node] = self._call(node)

    def _call(self, node: fx.Node) -> fx.Node:
        if node.op != "call_function" or _acts_only(node):
            raise ValueError(f"{node.op} of {node.target}")
        target = _not_in_place(node.target)
        args: Any = fx.map_arg(node.args, self._made.__getitem__)
        kwargs: Any = fx.map_arg(node.kwargs, self._made.__getitem__)
        return self._graph.call_function(_KNOWN.get(target, target), args, kwargs)


def _is_layer(module: nn.Module, name: str) -> bool:
    return not any(module.children()) and fx.Tracer().is_leaf_module(module, name)


def _read_by(run: list[fx.Node]) -> list[fx.Node]:
    inside = set(run)
    read = {one: None for node in run for one in node.all_input_nodes if one not in inside}
    return list(read)


def _read_later(run: list[fx.Node]) -> list[fx.Node]:
    inside = set(run)
    return [node for node in run if any(one not in inside for one in node.users)]


def _is_size(node: fx.Node) -> bool:
    return not isinstance(node.meta.get("val"), Tensor)


def _acts_only(node: fx.Node) -> bool:
    """Return whether a call works in place and its value is then read under an older name."""
    return _works_in_place(node.target) and not node.users


def _works_in_place(target: Any) -> bool:
    """Return whether an operator, ``namespace.name.overload``, writes into its input."""
    parts = str(target).split(".")
    return len(parts) == 3 and parts[1].endswith("_") and not parts[1].endswith("__")


def _not_in_place(target: Any) -> Any:
    """Return the operator that returns what another one writes into its input."""
    if not _works_in_place(target):
        return target
    namespace, name, overload = str(target).split(".")
    return getattr(getattr(getattr(torch.ops, namespace), name.removesuffix("_")), overload)
