"""`fhenn demo`: a model of public data, encrypted records, and what came of them."""

from __future__ import annotations

import click

from fhenn.cli.show import Grid, as_json_option, megabytes, progress, tell
from fhenn.demo import Report, run
from fhenn.demo.job import PHASES


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=2, show_default=True, help="Seed of split and training.")
@as_json_option
def demo(seed: int, as_json: bool) -> None:
    """Score encrypted medical records without seeing them.

    \b
    On the Wisconsin diagnostic breast cancer data, which ships with the package:
      1. train    a logistic regression (Linear, Sigmoid) on plaintext records
      2. keys     choose CKKS parameters for the model and an accuracy, make keys
      3. encrypt  143 held-out records, on the client's side
      4. evaluate the model on ciphertexts, without the secret key, on the server
      5. decrypt  the scores, on the client's side

    Then compare: the exact sigmoid, the twin (the same cubic on plaintext) and what the ciphertexts hold, as `fhenn
    compare` does for a model of your own. Takes a few seconds and needs no network.
    """
    with progress(as_json) as show:
        report = run(seed, progress=lambda phase: show(phase, PHASES.index(phase), len(PHASES)))
    title = "Encrypted logistic regression, Wisconsin diagnostic breast cancer\n"
    tell(as_json, report.to_dict(), title, _table(report))


def _table(report: Report) -> Grid:
    """The report as a table that a person can read."""
    table = Grid(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    chain = ", ".join(map(str, report.chain))
    rows = [
        ("samples × features", f"{report.samples} × {report.features}"),
        ("parameters", f"N={report.ring_degree} [{chain}], 2^{report.scale_bits:g}, {report.model_cost} levels"),
        ("evaluator", report.evaluator),
        None,
        ("accuracy, exact sigmoid", f"{report.accuracy_exact:.1%}"),
        ("accuracy, twin (cubic on plaintext)", f"{report.accuracy_twin:.1%}"),
        ("accuracy, ciphertexts", f"{report.accuracy_encrypted:.1%}"),
        ("largest |ciphertext - twin|", f"{report.largest_difference:.1e}"),
        ("decisions unlike the exact ones", str(report.decisions_changed)),
        ("pre-activations outside [-4, 4]", f"{report.outside_band}, largest {report.largest_pre_activation:.2f}"),
        *([("samples without an answer", str(report.left_out))] if report.left_out else []),
        ("largest pre-activation that fits", f"{report.headroom:.1f}"),
        None,
        *((f"time to {phase}", _milliseconds(report.seconds[phase])) for phase in PHASES),
        ("time to evaluate, per sample", _milliseconds(report.seconds_per_sample)),
        None,
        ("evaluation keys", megabytes(report.bytes_keys)),
        (f"upload ({report.ciphertexts} ciphertexts)", megabytes(report.bytes_upload)),
        ("result", megabytes(report.bytes_result)),
    ]
    for row in rows:
        table.add_row(*(row or ("", "")))
    return table


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds < 0.01 else f"{seconds * 1e3:,.0f} ms"
