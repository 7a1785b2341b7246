"""`fhenn fetch` and `fhenn predict`: the client's side of a service."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import closing
from functools import partial
from os import environ
from pathlib import Path
from typing import Any

import click

from fhenn import artifacts
from fhenn.cli.bounds import samples_in_chunks
from fhenn.cli.complete import TABLES, files
from fhenn.cli.ids import IdsInMemory, id_option, require_apart
from fhenn.cli.infer import (
    client_of,
    clip_option,
    columns_of,
    keys_option,
    names_of_results,
    naming,
    plan_option,
    rows_of,
    samples_in,
    secret_option,
    strict_option,
    tell_results,
    violation_option,
)
from fhenn.cli.passphrase import passphrase_file_option
from fhenn.cli.replaced import write_plan
from fhenn.cli.show import FILE, as_json_option, first_line, megabytes, output_option, progress, tell, warn, working
from fhenn.cli.streams import (
    Clipping,
    Refusals,
    Results,
    Rows,
    as_given,
    holds_numbers_alone,
    kept,
    passing,
    resume_option,
    workers_option,
)
from fhenn.cli.tables import CsvFormat, check_ending, csv_options
from fhenn.errors import ParameterError
from fhenn.service import RemoteServer
from fhenn.service.tls import trust
from fhenn.session.answer import OnViolation


def _service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--url, --model, --token-file, --cafile."""
    for option in (
        click.option("--cafile", type=FILE, help="Certificates to trust instead of the system's, PEM."),
        click.option("--token-file", type=FILE, help="File with the token.  [default: the variable FHENN_TOKEN]"),
        click.option("--model", help="Name of the model; needed where the service has several."),
        click.option("--url", required=True, envvar="FHENN_URL", help="Address of the service.  [or FHENN_URL]"),
    ):
        command = option(command)
    return command


@click.command()
@_service_options
@output_option("plan.fhenn", "the plan")
@as_json_option
def fetch(
    *, url: str, model: str | None, token_file: Path | None, cafile: Path | None, output: Path, as_json: bool
) -> None:
    """Fetch the plan of a service's model.

    It is the public plan, for keygen, encrypt and decrypt.

    \b
      export FHENN_URL=https://host FHENN_TOKEN=fhenn_…
      fhenn fetch
    """
    token, trust = _token(token_file), _trust(cafile)
    with working(as_json, "fetch"), RemoteServer(url, token, model=model, verify=trust) as remote:
        orphaned = write_plan(output, remote.plan_message)
    tell(
        as_json,
        {"plan": str(output), "orphaned": orphaned, "model": remote.model},
        f"wrote {output}: the plan of {remote.model!r}",
    )


@click.command()
@click.argument(
    "data",
    metavar="[DATA]",
    type=FILE,
    shell_complete=files("ciphertexts", endings=TABLES),
    default=Path("upload.fhenn"),
)
@keys_option("Evaluation keys; sent once.")
@_service_options
@plan_option
@secret_option
@passphrase_file_option
@id_option
@clip_option
@strict_option
@violation_option
@csv_options
@click.option("--no-range-check", is_flag=True, help="Leave out the witnesses that show values out of range.")
@click.option("--answer-mb", type=click.IntRange(1), help="Refuse a larger answer to a part.  [default: 64]")
@click.option(
    "--output",
    "-o",
    type=FILE,
    help="Table to write: .csv, .npy or .parquet.  [default: CSV, printed]  For an upload, the answer.  "
    "[default: answer.fhenn]",
)
@workers_option
@resume_option
@as_json_option
def predict(
    *,
    data: Path,
    keys: Path,
    url: str,
    model: str | None,
    token_file: Path | None,
    cafile: Path | None,
    plan_file: Path,
    secret: Path,
    passphrase_file: Path | None,
    id_column: str | None,
    clip: bool,
    strict: bool,
    on_violation: OnViolation,
    csv_format: CsvFormat,
    no_range_check: bool,
    answer_mb: int | None,
    output: Path | None,
    workers: int | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Let a service run its model on a table or an upload.

    The samples of a table, CSV, NPY (also of images) or Parquet, of any number of rows, are encrypted here and sent,
    and what comes back is decrypted here, part by part: what `fhenn encrypt`, `evaluate` and `decrypt` do. To an
    upload, which `fhenn encrypt` wrote, the answer is written for `fhenn decrypt`. Ciphertexts and evaluation keys
    leave this machine; the secret key does not, nor does the column of a table that --id names.

    \b
      fhenn predict --url https://host records.csv -o predictions.csv
      fhenn predict --url https://host upload.fhenn -o answer.fhenn
    """
    is_table = data.suffix.lower() in (".csv", ".npy", ".parquet")
    if not is_table:
        artifacts.read_messages(data, "ciphertexts", url)  # what is no upload is said first
        if id_column is not None:
            raise ParameterError(
                f"{data} is an upload, which has no columns.",
                "Give --id to `fhenn encrypt`: `fhenn decrypt` finds the ids beside the receipt then.",
            )
    token, trust = _token(token_file), _trust(cafile)
    connect = partial(
        RemoteServer,
        url,
        token,
        artifacts.read_kind(keys, "evaluation-context", url),
        model,
        verify=trust,
        largest_answer=(answer_mb or 64) << 20,
    )
    if not is_table:
        _predict_upload(data, url, output or Path("answer.fhenn"), connect, not no_range_check, resume, as_json)
        return
    if resume:
        raise ParameterError(
            "predictions of a table begin anew.", "To go on after a kill, encrypt, predict the upload, and decrypt."
        )
    if output is not None:
        check_ending(output)
        artifacts.require_place(output)
    message = artifacts.read_kind(plan_file, "plan")
    plan, reading = artifacts.plan_from_bytes(message), artifacts.reading_from_bytes(message)
    columns = columns_of(plan, message)
    names, preparation = columns.features, columns.preparation
    ids = None
    if id_column is not None:
        require_apart(id_column, columns.taken, names_of_results(plan, reading))
        if holds_numbers_alone(output):
            raise ParameterError(f"{output} holds numbers alone, no ids.", "Give a name that ends in .csv or .parquet.")
        ids = IdsInMemory(id_column)
    samples = samples_in_chunks(data, names, csv_format, as_json, plan.shape, id_column, preparation, strict)
    with progress(as_json) as show, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = client_of(message, secret, passphrase_file)
        rows, clipping = Rows(show, "predict"), Clipping(plan) if clip else None
        results = Results(output, name=None if ids is None else ids.beside)
        with closing(samples), connect(progress=show) as remote, results, naming(names):
            values = passing(samples, rows) if ids is None else passing(samples, rows, ids.add)
            clipped = values if clipping is None else map(clipping.clip, values)
            stream = client.encrypt_stream(as_given(clipped, preparation), workers=workers)
            answers = remote.predict_stream(stream, range_check=not no_range_check)
            with closing(stream), closing(answers):
                for scores in client.decrypt_stream(
                    answers, scores=True, on_violation=on_violation, range_check=not no_range_check
                ):
                    results.append(rows_of(scores, reading, client.plan.finish, results.numeric))
                    rows.count = results.rows
    for warning in caught:
        warn(warning.message)
    tell_results(as_json, output, results)


def _predict_upload(
    upload: Path,
    url: str,
    output: Path,
    connect: Callable[..., RemoteServer],
    range_check: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Write a service's answer to an upload."""
    artifacts.require_place(output, "answer")
    with progress(as_json) as show:
        rows, refused = Rows(show, "predict"), Refusals()
        parts = artifacts.read_messages(upload, "ciphertexts", url, told=rows.reach)
        with connect(progress=show) as remote:
            job = {
                "model": remote.model,
                "keys": remote.digest,
                "upload": artifacts.file_state(upload),
                "options": f"{range_check}",
            }
            with kept(output), artifacts.UnfinishedFile(output, "answer", job, resume) as file:
                counted = rows.pass_by(parts, samples_in)
                made = refused.pass_by(file.written())
                with closing(remote.predict_stream(counted, range_check, after=made)) as answers:
                    for answer in refused.pass_by(answers):
                        file.append(answer)
    result = {
        "answer": str(output),
        "bytes": file.size,
        "samples": rows.count,
        "refused": refused.count,
        "model": remote.model,
        "keys": remote.digest,
    }
    tell(
        as_json,
        result,
        f"wrote {output}: {megabytes(file.size)} of {remote.model!r}; for `fhenn decrypt`{refused}",
    )


def _token(file: Path | None) -> str:
    """The token; it is not an argument, since every user of a machine sees those."""
    text = environ.get("FHENN_TOKEN", "") if file is None else first_line(file, "token")
    if not text.strip():
        raise ParameterError("a token is needed.", "Set FHENN_TOKEN, or give --token-file.")
    return text.strip()


def _trust(cafile: Path | None) -> object:
    return True if cafile is None else trust(cafile)
