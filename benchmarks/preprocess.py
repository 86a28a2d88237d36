"""How far a Preprocess is from what the library of the network does to the same photographs.

    python benchmarks/preprocess.py FOLDER       # photographs, at any depth

Differences are in steps of a pixel, 255 from black to white, before mean and deviation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import kshot_viz as kv
from kshot_viz.models.loading import open_clip_door, timm_door, torchvision_door, transformers_door

TIMM = ("resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto")
HF = {
    "ViTImageProcessor": {"size": {"height": 224, "width": 224}},
    "CLIPImageProcessor": {"size": {"shortest_edge": 224}},
    "BitImageProcessor": {"size": {"shortest_edge": 256}, "crop_size": 224},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 224}, "crop_pct": 0.875},
}
PHOTOGRAPHS = 50
Case = tuple[str, kv.Preprocess, Callable[[Image.Image], torch.Tensor]]


def cases() -> Iterator[Case]:
    """Yield a name, our preprocess, and the library's own transform."""
    import timm
    import transformers
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.models import get_model_weights

    for name in ("resnet18", "vit_b_16"):
        transforms = get_model_weights(name).DEFAULT.transforms()  # type: ignore[attr-defined]
        yield f"torchvision {name}", torchvision_door.from_transforms(transforms), transforms
    for name in TIMM:
        config = timm.data.resolve_data_config({}, model=timm.create_model(name, pretrained=False))
        theirs = timm.data.create_transform(**config)
        yield f"timm {name}", timm_door.preprocess_of(config), theirs
    for kind, given in HF.items():
        processor = getattr(transformers, kind)(**given)
        ours = transformers_door.preprocess_of(processor.to_dict())
        yield f"transformers {kind}", ours, _called(processor)
    config = PreprocessCfg(size=224)
    ours = open_clip_door.preprocess_of(vars(config))
    yield "open_clip ViT-B-32", ours, image_transform_v2(config, is_train=False)


def _called(processor: Any) -> Callable[[Image.Image], torch.Tensor]:
    return lambda image: processor(images=image, return_tensors="pt")["pixel_values"][0]


def difference(
    preprocess: kv.Preprocess,
    images: list[Image.Image],
    theirs: Callable[[Image.Image], torch.Tensor],
) -> tuple[float, float]:
    """Return the largest and the mean absolute difference."""
    std = torch.tensor(preprocess.std).view(-1, 1, 1)
    apart = [
        ((preprocess([image])[0] - theirs(image)) * std * 255 / preprocess.scale).abs()
        for image in images
    ]
    largest = max(float(one.max()) for one in apart)
    return largest, sum(float(one.mean()) for one in apart) / len(apart)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    files = sorted(p for p in given.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    step = max(1, len(files) // PHOTOGRAPHS)
    images = [Image.open(path).convert("RGB") for path in files[::step][:PHOTOGRAPHS]]
    print(f"{len(images)} photographs, differences of 255")
    print("| network | largest | mean |\n| --- | ---: | ---: |")
    for name, ours, theirs in cases():
        largest, mean = difference(ours, images, theirs)
        print(f"| {name} | {largest:.2f} | {mean:.3f} |", flush=True)


if __name__ == "__main__":
    main()
