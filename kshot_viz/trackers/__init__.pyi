"""The public names of ``kshot_viz.trackers``."""

from .callback import Callback as Callback
from .callback import RunInfo as RunInfo
from .mlflow import MLflow as MLflow
from .tensorboard import TensorBoard as TensorBoard
from .wandb import WandB as WandB
