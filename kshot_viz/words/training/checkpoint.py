"""Checkpoints of a training as safetensors: weights, the optimizer's moments, and the step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.files import whole_file

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class Checkpoint:
    """One file that a training goes on from.

    Attributes
    ----------
    path : pathlib.Path
        The file; its folder exists.
    key : str
        Digest of all that decides the training; a checkpoint of another one is refused.
    """

    path: Path
    key: str

    def save(self, module: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Write what ``step`` steps have made."""
        from safetensors.torch import save

        tensors = dict(module.state_dict())
        for name, parameter in module.named_parameters():
            state = optimizer.state.get(parameter, {})
            tensors |= {f"{moment}:{name}": state[moment] for moment in _MOMENTS if state}
        content = {name: value.detach().contiguous() for name, value in tensors.items()}
        with whole_file(self.path) as part:
            part.write_bytes(save(content, {"key": self.key, "step": str(step)}))

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Bring back what was saved; return the number of steps done, 0 where there is no file.

        Raises
        ------
        KShotFileError
            If the file cannot be read.
        KShotValueError
            If it belongs to another training.
        """
        if not self.path.is_file():
            return 0
        tensors, notes = _read(self.path)
        if notes.get("key") != self.key:
            raise KShotValueError(
                f"{self.path} belongs to a training with another seed, recipe, backbone, data, "
                f"descriptions or encoder; give another `out`, or remove it."
            )
        try:
            module.load_state_dict({name: tensors[name] for name in module.state_dict()})
            for name, parameter in module.named_parameters():
                if f"step:{name}" in tensors:
                    moments = {moment: tensors[f"{moment}:{name}"] for moment in _MOMENTS}
                    optimizer.state[parameter] = moments
            return int(notes["step"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise KShotFileError(f"The checkpoint {self.path} is incomplete: {error}.") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise KShotFileError(
            f"The checkpoint {path} cannot be read: {error}. Remove it to train from the start."
        ) from error
