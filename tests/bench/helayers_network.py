"""A network of matrices with x² between them in HElayers, as a process: `helayers_network.py NETWORK ROUNDS`.

NETWORK is a file of NumPy with `w0`, `w1` … of shape (outputs, inputs), and a sample `x`. What comes out is a line of
JSON (`test_squares_bench`). It runs under a Python that has `pyhelayers` and `onnx`, which need not have fhenn.
"""

import json
import os
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnx
import pyhelayers
from onnx import TensorProto, helper, numpy_helper


def save_network(path, weights):
    nodes, values, at = [], [], "x"
    for place, weight in enumerate(weights):
        last = place == len(weights) - 1
        values.append(numpy_helper.from_array(weight.astype("f4"), f"w{place}"))
        values.append(numpy_helper.from_array(np.zeros(len(weight), "f4"), f"b{place}"))
        out = "y" if last else f"sum{place}"
        nodes.append(helper.make_node("Gemm", [at, f"w{place}", f"b{place}"], [out], transB=1))
        if not last:
            at = f"square{place}"
            nodes.append(helper.make_node("Mul", [out, out], [at]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, size))
        for name, size in (("x", weights[0].shape[1]), ("y", len(weights[-1])))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    onnx.save(model, path)


def main(network, rounds):
    found = np.load(network)
    weights = [found[name] for name in sorted(found.files) if name != "x"]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "network.onnx"))
        save_network(path, weights)
        plain = pyhelayers.PlainModel.create(pyhelayers.PlainModelHyperParams(), [path])
    wishes = pyhelayers.HeRunRequirements()
    wishes.set_he_context_options([pyhelayers.DefaultContext()])
    wishes.optimize_for_batch_size(1)
    wishes.set_model_encrypted(False)
    profile = pyhelayers.HeModel.compile(plain, wishes)
    context = pyhelayers.HeModel.create_context(profile)
    model = plain.get_empty_he_model(context)
    model.encode(plain, profile)
    coder, upload = model.create_model_io_encoder(), pyhelayers.EncryptedData(context)
    coder.encode_encrypt(upload, [found["x"].astype("f4")])
    seconds = []
    for _ in range(rounds):
        answer, start = pyhelayers.EncryptedData(context), time.process_time()
        model.predict(answer, upload)
        seconds.append(time.process_time() - start)
    scores = np.asarray(coder.decrypt_decode_output(answer)).ravel()[: len(weights[-1])]
    return {
        "name": f"HElayers {version('pyhelayers')}",
        "ring_degree": 2 * context.slot_count(),
        "seconds": seconds,
        "scores": scores.tolist(),
        "keys": len(context.save_to_buffer()),  # the context; HElayers saves the secret key apart
        "upload": len(upload.save_to_buffer()),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    print("\n" + json.dumps(main(sys.argv[1], int(sys.argv[2]))))  # noqa: T201
