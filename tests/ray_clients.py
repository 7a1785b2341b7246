"""Eight clients of a service whose workers are on a Ray cluster, as a program: it says when half of the work is done.

    FHENN_TEST_CLUSTER=ADDRESS ray_clients.py FOLDER PREDICTIONS

Then the front end is killed and started again, and whoever started this may take a node away.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from service_harness import PLAN, Running, right, samples, stored

import fhenn

CLIENTS = 8


def main(folder: Path, each: int) -> None:
    done, half = [], threading.Event()
    with Running(stored(folder / "store"), {"workers": 2}) as running:

        def work(place: int) -> None:
            rng, client = np.random.default_rng(place), fhenn.Client(PLAN)
            with running.remote(f"owner{place}", client.evaluation_keys(), patience=120.0) as remote:
                for _ in range(each):
                    x = samples(rng)
                    done.append(right(client, remote.predict(client.encrypt(x)), x))
                    if len(done) >= CLIENTS * each // 2:
                        half.set()

        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(work, place) for place in range(CLIENTS)]
            half.wait(300)
            print("half", flush=True)
            input()
            running.kill()
            running.start()
            for client in clients:
                client.result()
        deaths = running.metric("fhenn_worker_deaths")
    print(json.dumps({"answers": len(done), "right": sum(done), "deaths": deaths}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
