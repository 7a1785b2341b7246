"""`fhenn batch`: all uploads of a folder or an object store, on all cores or on a cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from fhenn import artifacts
from fhenn.cli.infer import keys_option, model_option, plan_option
from fhenn.cli.pools import open_pool, ray_option
from fhenn.cli.show import as_json_option, count_of, progress, tell
from fhenn.cli.streams import workers_option
from fhenn.planner import fingerprint_of
from fhenn.pool.batch import MANIFEST, Batch
from fhenn.pool.places import place_of


@click.command()
@click.argument("uploads")
@click.option("--output", "-o", "answers", required=True, metavar="ANSWERS", help="Folder or URL for the answers.")
@model_option
@plan_option
@keys_option("The client's evaluation keys.")
@workers_option
@ray_option
@as_json_option
def batch(
    *,
    uploads: str,
    answers: str,
    model_file: Path,
    plan_file: Path,
    keys: Path,
    workers: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Run the model on all UPLOADS, on the server's side.

    They are in a folder, or at a URL as s3://bucket/folder (with the extra ray, and s3fs or gcsfs). The answers get the
    names of the uploads; manifest.json beside them says what became of each. Answers that are there, whole and to these
    uploads are kept, so that the same command goes on where another one was broken off.

    \b
      fhenn batch uploads -o answers
      fhenn batch s3://clinic/in -o s3://clinic/out --ray 10.0.0.1:6379

    The exit code is 1 where an upload has no answer.
    """
    network = artifacts.model_from_bytes(artifacts.read_kind(model_file, "model"))
    plan = artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
    evaluation_keys = artifacts.read_kind(keys, "evaluation-context")
    sources, targets = place_of(uploads), place_of(answers)
    with progress(as_json) as show, open_pool(network, plan, evaluation_keys, workers, cluster) as pool:
        entries = Batch(sources, targets, pool, fingerprint_of(network), show).run()
    counts = Counter(entry.status for entry in entries)
    refused = [entry for entry in entries if entry.status == "refused"]
    result = {"answers": answers, "manifest": MANIFEST, "uploads": [asdict(entry) for entry in entries]}
    samples = sum(entry.samples for entry in entries)
    parts = sum(entry.refused for entry in entries)
    lines = [f"{entry.upload}: {entry.reason}" for entry in refused]
    done = f"{counts['answered']} of {count_of(len(entries), 'upload')}, {count_of(samples, 'sample')}"
    note = f"; {count_of(parts, 'part')} refused, which ended workers again and again" if parts else ""
    lines.append(f"answered {done}, in {answers}{note}")
    tell(as_json, result, "\n".join(lines))
    if refused:
        raise click.exceptions.Exit(1)
