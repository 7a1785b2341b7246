"""A network of matrices with x² between them in Orion v2 (Lattigo), as a process: `orion_network.py NETWORK ROUNDS`.

NETWORK is a file of NumPy with `w0`, `w1` … of shape (outputs, inputs), and a sample `x`. What comes out is a line of
JSON (`test_squares_bench`). It runs under a Python that has `orion-v2-compiler` and `orion-v2-evaluator`, which need
not have fhenn. The parameters are those of Orion's own perceptron: a conjugate-invariant ring, whose slots are real.
The modulus for three matrices has 217 bits at degree 8192, where the table of the HE standard allows 218.
"""

import json
import os
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "GOMAXPROCS": "1"}

import numpy as np
import torch
from lattigo.ckks import Encoder, Parameters
from lattigo.rlwe import Ciphertext, Decryptor, Encryptor, KeyGenerator, MemEvaluationKeySet
from orion_compiler import CKKSParams, Compiler, nn
from orion_evaluator import Evaluator, Model

torch.set_num_threads(1)


class Network(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.steps = []
        for place, weight in enumerate(weights):
            linear = nn.Linear(weight.shape[1], len(weight))
            linear.weight.data.copy_(torch.tensor(weight))
            linear.bias.data.zero_()
            self.steps += [linear] if place == 0 else [nn.Quad(), linear]
        for place, step in enumerate(self.steps):
            setattr(self, f"step{place}", step)

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x


def main(network, rounds):
    found = np.load(network)
    weights = [found[name] for name in sorted(found.files) if name != "x"]
    net, x = Network(weights).eval(), torch.tensor(found["x"], dtype=torch.float32)
    levels = 2 * len(weights) - 1
    parameters = CKKSParams(
        logn=13, logq=[29, *[26] * levels], logp=[29, 29], log_default_scale=26, h=8192, ring_type="conjugate_invariant"
    )
    compiler = Compiler(net, parameters)
    compiler.fit(x)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.orion")
        compiler.compile_to_file(str(path))
        model = Model.load(path.read_bytes())
    described, manifest, level = model.client_params()
    parameters = Parameters.from_dict(described)
    keys = KeyGenerator(parameters)
    secret = keys.gen_secret_key()
    switching = MemEvaluationKeySet(
        rlk=keys.gen_relin_key(secret) if manifest["needs_rlk"] else None,
        galois_keys=[keys.gen_galois_key(secret, int(element)) for element in manifest["galois_elements"]],
    ).marshal_binary()
    coder, slots = Encoder(parameters), parameters.max_slots()
    values = np.zeros(slots)
    values[: x.numel()] = x.numpy().ravel()
    encrypt = Encryptor(parameters, keys.gen_public_key(secret))
    upload = encrypt.encrypt_new(coder.encode(values.tolist(), level, parameters.default_scale())).marshal_binary()
    evaluator, seconds = Evaluator(described, switching), []
    for _ in range(rounds):
        start = time.process_time()
        answer = evaluator.forward(model, [upload])
        seconds.append(time.process_time() - start)
    decrypted = Decryptor(parameters, secret).decrypt_new(Ciphertext.unmarshal_binary(answer[0]))
    return {
        "name": f"Orion {version('orion-v2-compiler')}",
        "ring_degree": slots,
        "seconds": seconds,
        "scores": coder.decode(decrypted, slots)[: len(weights[-1])],
        "keys": len(switching),
        "upload": len(upload),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    print("\n" + json.dumps(main(sys.argv[1], int(sys.argv[2]))))  # noqa: T201
