"""Small graphs of ONNX, the constants that they take, and what two others make of them."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

DRAW = np.random.default_rng(0)
IMAGES = DRAW.normal(size=(3, 4, 9, 7))
CONSTANTS = {
    "w": DRAW.normal(size=(3, 4, 3, 3)),
    "one": DRAW.normal(size=(4, 4, 1, 1)),
    "grouped": DRAW.normal(size=(6, 2, 3, 2)),
    "sequence": DRAW.normal(size=(3, 4, 3)),
    "b": DRAW.normal(size=3),
    "scale": DRAW.normal(size=4),
    "variance": DRAW.uniform(0.5, 2, 4),
    "channels": DRAW.normal(size=(1, 4, 1, 1)),
    "matrix": DRAW.normal(size=(4, 2)),
    "all": DRAW.normal(size=(252, 2)),
    "axes": np.array([-1, 2]),
    "first": np.array(0),
    "zero": np.array([0]),
    "rest": np.array([-1]),
    "ends": np.array([0, 0, 1, 2, 0, 0, 0, 1]),
    "crop": np.array([-1, 1]),
    "rows": np.array([2]),
    "two": np.array(2.0),
    "half": np.array(0.5),
    "nothing": np.array(0.0),
    "across": np.array([0, 0, 0, 0, 0, 1, 0, 0]),
}


def graph(*nodes, shape=(None, 4, 9, 7), opset=21, element=TensorProto.DOUBLE, **constants):
    """A model of nodes (operator, inputs, output, attributes) from "x" to "y", with constants of their element type."""
    made = [
        helper.make_node(kind, given_, [output] if isinstance(output, str) else output, **dict(*attributes))
        for kind, given_, output, *attributes in nodes
    ]
    dtype = helper.tensor_dtype_to_np_dtype(element)
    used = {name for _, given_, *_ in nodes for name in given_}
    tensors = {
        name: each.astype(dtype) if each.dtype.kind == "f" else each
        for name, each in (CONSTANTS | constants).items()
        if name in used
    }
    made_graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, None)],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    proto = helper.make_model(made_graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    (found,) = onnx.shape_inference.infer_shapes(proto).graph.output
    if not found.type.tensor_type.HasField("shape"):  # of what is refused
        found = helper.make_tensor_value_info("y", element, (None,))
    proto.graph.output[0].CopyFrom(found)
    return proto


def of_runtime(proto, x):
    """What onnxruntime says, in single precision."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x.astype(np.float32)})[0].reshape(len(x), -1)


def of_reference(proto, x):
    """What ONNX's reference evaluator says, in double precision."""
    return ReferenceEvaluator(proto).run(None, {"x": x})[0].reshape(len(x), -1)
