"""Writes ONNX's own operator tests, a folder for each case: model.onnx, its tolerance, and its tensors as TensorProto files.

usage: export_cases.py FOLDER
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


def message(value: object, info: onnx.ValueInfoProto) -> onnx.TensorProto | onnx.SequenceProto | onnx.OptionalProto:
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    return value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value), info.name)


def main(folder: pathlib.Path) -> None:
    for case in collect_testcases(None):
        own = folder / case.name
        own.mkdir(parents=True, exist_ok=True)
        (own / "model.onnx").write_bytes(case.model.SerializeToString())
        (own / "tolerance.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))
        for number, (inputs, outputs) in enumerate(case.data_sets):
            for kind, values, infos in [("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)]:
                for index, (value, info) in enumerate(zip(values, infos)):
                    (own / f"{kind}_{number}_{index}.pb").write_bytes(message(value, info).SerializeToString())


main(pathlib.Path(sys.argv[1]))
