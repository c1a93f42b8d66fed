"""Writes the onnx package's light nets with weights of some variety: they come with the same number everywhere.

usage: light_models.py FOLDER
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

NETS = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512"]


def main(folder: pathlib.Path) -> None:
    light = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
    for name in NETS:
        model = onnx.load(light / f"light_{name}.onnx")
        random = np.random.default_rng(5)
        for weight in model.graph.initializer:
            if weight.data_type != onnx.TensorProto.FLOAT or len(weight.dims) != 1:
                continue
            # Of a batch normalisation, the variance has to be positive
            weight.CopyFrom(numpy_helper.from_array(random.uniform(0.5, 1, weight.dims).astype(np.float32), weight.name))
        shapes = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        kept = []
        for node in model.graph.node:
            shape = shapes.get(node.input[0]) if node.op_type == "ConstantOfShape" else None
            if shape is None:
                kept.append(node)
                continue
            if np.prod(shape) > 5_000_000:
                # Files of hundreds of megabytes would tell no more: one number for all, which keeps results small
                value = np.array([1 / shape[1]], np.float32)
                node.attribute[0].t.CopyFrom(numpy_helper.from_array(value))
                kept.append(node)
                continue
            size = np.sqrt(6 / np.prod(shape[1:])) if len(shape) > 1 else 1
            low = -size if len(shape) > 1 else 0.5
            weight = random.uniform(low, size, shape).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
        del model.graph.node[:]
        model.graph.node.extend(kept)
        onnx.save(model, folder / f"{name}.onnx")


main(pathlib.Path(sys.argv[1]))
