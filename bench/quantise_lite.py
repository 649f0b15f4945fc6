"""Makes NanoDet's int8 network: static, per channel, activations U8, weights S8 of seven bits.

    pip install onnx==1.23.2
    python -m bench.quantise_lite PHOTOS      PHOTOS: a folder of images, for the ranges of the activations; no label is read

Seven bits of a weight instead of eight: processors without VNNI add two products in sixteen bits, which would saturate. So every
processor computes the same. The float32 network is rewritten, without a change of its results: the padding becomes part of the
pooling, and the sides of the picture may be any multiples of 32. Make golden.npz anew afterwards: `python -m bench.golden_lite`.

EfficientNet-Lite0 stays in float32: in int8 it took 0.7 of the time, and 56 of 63 tags were right on the photographs kept aside
instead of 57 of 61.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from workers.models.lite import detect
from workers.models.lite.files import DATA
from workers.models.lite.model import DETECTOR
from workers.models.lite.precision import int8

Floats = npt.NDArray[np.float32]

LONGEST = 800  # pixels of a side that the decoder hands out
LARGE = 4096  # bytes of a constant that is stored as float16
QUANTISED = ["Conv", "MaxPool", "Concat", "Add", "Resize", "LeakyRelu", "Gemm", "Clip"]
FORMATS = ("JPEG", "PNG", "WEBP")


class Inputs(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, tensors: Iterator[Floats]) -> None:
        self._rest = ({name: tensor} for tensor in tensors)

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._rest, None)


def photographs(folder: Path) -> Iterator[Image.Image]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
            with Image.open(path, formats=FORMATS) as file:
                image = file.convert("RGB")
            image.thumbnail((LONGEST, LONGEST))
            yield image


def padding_into_pooling(graph: Any) -> None:
    """Pad with −∞, then MaxPool → MaxPool that pads. Also the range of −∞ cannot be quantised."""
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        (pool,) = [node for node in graph.node if pad.output[0] in node.input]
        pads = constants[pad.input[1]].tolist()
        if pool.op_type != "MaxPool" or not np.isneginf(constants[pad.input[2]]) or any(pads[:2] + pads[4:6]):
            raise ValueError(f"{pad.name}: not a padding of −∞ before a MaxPool")
        pool.input[0] = pad.input[0]
        for attribute in [a for a in pool.attribute if a.name in ("pads", "auto_pad")]:
            pool.attribute.remove(attribute)
        pool.attribute.append(helper.make_attribute("pads", pads[2:4] + pads[6:8]))
        graph.node.remove(pad)


def any_size(graph: Any) -> None:
    """The picture's height and width are free, and with them the number of cells of each output."""
    graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    for number, output in enumerate(graph.output):
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{number}"
    del graph.value_info[:]


def in_halves(graph: Any) -> None:
    """Weights are stored as float16, with a cast that runs once, when the network loads: as they came."""
    for item in list(graph.initializer):
        if item.data_type == onnx.TensorProto.FLOAT and len(item.raw_data) >= LARGE:
            half = numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), f"{item.name}_f16")
            graph.initializer.append(half)
            graph.initializer.remove(item)
            graph.node.insert(0, helper.make_node("Cast", [half.name], [item.name], to=onnx.TensorProto.FLOAT))


def rewrite_detector(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / path.name
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)  # constants are worked out, convolutions fused
        model = onnx.load(prepared)
    padding_into_pooling(model.graph)
    any_size(model.graph)
    used = {name for node in model.graph.node for name in node.input}
    for item in [item for item in model.graph.initializer if item.name not in used]:
        model.graph.initializer.remove(item)
    in_halves(model.graph)
    onnx.save(model, path)


def quantise(name: str, tensors: Iterator[Floats]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / name
        quant_pre_process(str(DATA / name), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(DATA / int8(name)),
            Inputs(onnx.load(prepared).graph.input[0].name, tensors),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=QUANTISED,
        )
    print(int8(name), (DATA / int8(name)).stat().st_size, "bytes")


def main() -> None:
    folder = Path(sys.argv[1])
    rewrite_detector(DATA / DETECTOR)
    quantise(DETECTOR, (detect.letterbox(image).tensor for image in photographs(folder)))


if __name__ == "__main__":
    main()
