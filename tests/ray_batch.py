"""A batch on a Ray cluster, as a program: it says when half of the parts are answered, and in the end what came of all.

ray_batch.py ADDRESS PARTS
"""

import json
import sys
import time

import numpy as np

import fhenn
from fhenn.session import Server
from fhenn.session.stream import in_order

FEATURES, DIFFERENT = 30, 8


def main(address: str, count: int) -> None:
    rng = np.random.default_rng(4)
    first = fhenn.Linear(rng.normal(size=(16, FEATURES)) / 10)
    model = fhenn.Sequential([first, fhenn.Square(), fhenn.Linear(np.ones((2, 16)) / 20)])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=0.01, layout="throughput")
    client = fhenn.Client(plan.public())
    slots = plan.samples_per_ciphertext
    uploads = [client.encrypt(rng.uniform(-1, 1, (slots, FEATURES))) for _ in range(DIFFERENT)]
    server = Server(model, plan, client.evaluation_keys())
    expected = [server.predict(each) for each in uploads]
    with fhenn.RayPool(model, plan, client.evaluation_keys(), address, workers=2) as pool:
        answers, times = [], []

        def parts():
            for place in range(count):
                yield uploads[place % DIFFERENT]

        start = time.perf_counter()
        # as `predict_stream` schedules parts; these are no parts of one stream
        for place, answer in enumerate(in_order(parts(), pool.submit, 2 * pool.workers)):
            answers.append(answer)
            times.append(time.perf_counter() - start)
            if place == count // 2:
                print("half", flush=True)
                input()
                times[-1] = time.perf_counter() - start
        pauses = np.diff(times)
    right = [answer == expected[place % DIFFERENT] for place, answer in enumerate(answers)]
    result = {"workers": pool.workers, "answers": len(answers), "right": sum(right), "seconds": times[-1]}
    print(json.dumps(result | {"part": float(np.median(pauses)), "pause": float(pauses.max())}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
