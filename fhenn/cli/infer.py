"""`fhenn keygen`, `encrypt`, `evaluate`, `decrypt`: encrypted inference on files, client and server apart."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import fhenn
from fhenn import artifacts
from fhenn.cli.bounds import samples_of
from fhenn.cli.passphrase import new_passphrase, passphrase_file_option, passphrase_of
from fhenn.cli.show import FILE, as_json_option, count_of, megabytes, output_option, progress, tell, warn
from fhenn.cli.tables import CsvFormat, Table, as_csv, check_ending, csv_options, write_table
from fhenn.errors import BoundsExceeded, FileExists, ParameterError
from fhenn.interop import Reading
from fhenn.nn.finish import finished
from fhenn.planner.demands import MEMORY
from fhenn.planner.flooding import MOST_BITS, MOST_QUERIES, STATISTICAL_BITS
from fhenn.session import Receipt
from fhenn.session.client import OnViolation
from fhenn.text import printable
from fhenn.wire import kind_of, require_kind


def receipt_beside(upload: Path) -> Path:
    """The file for the receipt of an upload: `upload.receipt.fhenn` for `upload.fhenn`."""
    return upload.with_name(f"{upload.stem}.receipt{upload.suffix}")


def plan_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--plan."""
    return click.option(
        "--plan", "plan_file", type=FILE, default=Path("plan.fhenn"), show_default=True, help="The plan."
    )(command)


def secret_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--secret."""
    return click.option("--secret", type=FILE, default=Path("secret.fhenn"), show_default=True, help="Your key.")(
        command
    )


memory_option = click.option(
    "--memory-mb",
    type=click.IntRange(1),
    help=f"Memory that the plan may take for keys, or for one sample's ciphertexts.  [default: {MEMORY / 1e6:.0f}]",
)


@click.command()
@click.argument("plan_file", metavar="PLAN", type=FILE, default=Path("plan.fhenn"))
@click.option("--secret", type=FILE, default=Path("secret.fhenn"), show_default=True, help="File for the secret key.")
@click.option("--keys", type=FILE, default=Path("keys.fhenn"), show_default=True, help="File for what the server gets.")
@click.option("--passphrase", "ask", is_flag=True, help="Lock the secret key with a passphrase, which is asked for.")
@passphrase_file_option
@click.option("--overwrite", is_flag=True, help="Replace keys that are there: ciphertexts of theirs are lost.")
@memory_option
@as_json_option
def keygen(
    *,
    plan_file: Path,
    secret: Path,
    keys: Path,
    ask: bool,
    passphrase_file: Path | None,
    overwrite: bool,
    memory_mb: int | None,
    as_json: bool,
) -> None:
    """Make keys for PLAN, on the client's side.

    The secret key stays with you, in a file that only you can read, and beside it one that counts the results that you
    share (`fhenn decrypt --share`): copy neither. The evaluation keys go to the server, which can compute with them and
    read nothing.

    \b
      fhenn keygen plan.fhenn --passphrase
    """
    plan = artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
    if secret.resolve() == keys.resolve():
        raise ParameterError(f"{secret} is given for the secret key and for the keys that leave.", "Give two names.")
    artifacts.require_place(secret, "secret-key")
    artifacts.require_place(keys, "evaluation-context")
    for each in (secret, keys):  # those that are there belong to another key
        if each.exists() and not overwrite:
            raise FileExists(str(each))
    passphrase = new_passphrase(ask, passphrase_file)
    with progress(as_json) as show:
        client = fhenn.Client(plan, progress=show, memory=_allowed(memory_mb))
        artifacts.write(secret, client.secret_bytes(passphrase), private=True, overwrite=overwrite)
        client.keep_budget(budget_of(secret), overwrite=True)
        artifacts.write(keys, client.evaluation_keys())
    size = len(client.evaluation_keys())
    result = {
        "secret": str(secret),
        "locked": passphrase is not None,
        "keys": str(keys),
        "bytes_of_keys": size,
        "fingerprint": client.fingerprint,
    }
    text = (
        f"wrote {secret}: the secret key, {'locked' if passphrase else 'not locked'}; keep it here\n"
        f"wrote {keys}: evaluation keys {client.fingerprint}, {megabytes(size)}; for the server"
    )
    tell(as_json, result, text)


@click.command()
@click.argument("data", type=FILE)
@plan_option
@secret_option
@passphrase_file_option
@click.option("--clip", is_flag=True, help="Take the nearest bound for values beyond the plan's, and do not refuse.")
@csv_options
@output_option("upload.fhenn", "the ciphertexts")
@memory_option
@as_json_option
def encrypt(
    *,
    data: Path,
    plan_file: Path,
    secret: Path,
    passphrase_file: Path | None,
    clip: bool,
    csv_format: CsvFormat,
    output: Path,
    memory_mb: int | None,
    as_json: bool,
) -> None:
    """Encrypt the samples of a table, on the client's side.

    DATA is CSV, NPY or Parquet. Columns are taken by name where the model has names of features, and others, such as a
    label, are left out; by position where it has none. Beside the ciphertexts comes a receipt, by which `fhenn decrypt`
    knows the answer to them from any other.

    \b
      fhenn encrypt records.csv -o upload.fhenn
    """
    message = artifacts.read_kind(plan_file, "plan")
    reading = artifacts.reading_from_bytes(message)
    names = artifacts.plan_from_bytes(message).feature_names or (None if reading is None else reading.features)
    values = samples_of(data, names, csv_format, as_json)
    with progress(as_json) as show:
        client = _client(message, secret, passphrase_file, show, _allowed(memory_mb))
        clipped = 0
        if clip and values.shape[1] == client.plan.features:
            inside = np.clip(values, client.plan.low, client.plan.high)
            clipped = int(np.count_nonzero(inside != values))
            values = inside
        try:
            upload = client.encrypt(values)
        except BoundsExceeded as error:
            raise replace(error, names=tuple(names[place] for place in error.features) if names else ()) from None
    receipt = receipt_beside(output)
    artifacts.write(output, upload)
    artifacts.write(receipt, Receipt.of(upload).to_bytes())
    result = {
        "ciphertexts": str(output),
        "receipt": str(receipt),
        "samples": len(values),
        "bytes": len(upload),
        "clipped": clipped,
    }
    noted = f", {clipped} values clipped" if clipped else ""
    text = (
        f"wrote {output}: {count_of(len(values), 'sample')}, {megabytes(len(upload))}{noted}; for the server\n"
        f"wrote {receipt}: its receipt, which `fhenn decrypt` holds the answer to; it stays here"
    )
    tell(as_json, result, text)


@click.command()
@click.argument("upload", type=FILE, default=Path("upload.fhenn"))
@click.option("--model", "model_file", type=FILE, default=Path("model.fhenn"), show_default=True, help="The model.")
@plan_option
@click.option("--keys", type=FILE, default=Path("keys.fhenn"), show_default=True, help="The client's evaluation keys.")
@click.option("--certificate", type=FILE, help="Refuse unless this certificate holds for model and plan.")
@output_option("answer.fhenn", "the encrypted answer")
@as_json_option
def evaluate(
    *,
    upload: Path,
    model_file: Path,
    plan_file: Path,
    keys: Path,
    certificate: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Run the model on ciphertexts, on the server's side.

    Those in UPLOAD, without the secret key. Where the plan has witnesses, they go with the answer.

    \b
      fhenn evaluate upload.fhenn -o answer.fhenn
    """
    network = artifacts.model_from_bytes(artifacts.read_kind(model_file, "model"))
    plan = artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
    held = None if certificate is None else _certificate(certificate)
    evaluation_keys = artifacts.read_kind(keys, "evaluation-context")
    ciphertexts = artifacts.read_kind(upload, "ciphertexts")
    with progress(as_json) as show:
        server = fhenn.Server(network, plan, evaluation_keys, progress=show, certificate=held)
        answer = server.predict(ciphertexts)
    artifacts.write(output, answer)
    result = {"answer": str(output), "bytes": len(answer), "fingerprint": server.context.fingerprint}
    tell(as_json, result, f"wrote {output}: {megabytes(len(answer))}; for the client {server.context.fingerprint}")


@click.command()
@click.argument("answer", type=FILE, default=Path("answer.fhenn"))
@plan_option
@secret_option
@passphrase_file_option
@click.option(
    "--on-violation",
    type=click.Choice(("raise", "mask", "warn")),
    default="raise",
    show_default=True,
    help="About samples whose values left an activation's domain: stop, leave their cells empty, or say so.",
)
@click.option("--share", is_flag=True, help="Add noise that hides the key from those who see the results; counted.")
@click.option(
    "--queries",
    type=click.IntRange(1, MOST_QUERIES),
    help="Samples that are ever shared under this key.  [default: the plan's]",
)
@click.option(
    "--bits",
    type=click.IntRange(1, MOST_BITS),
    default=STATISTICAL_BITS,
    show_default=True,
    help="How well --share hides the key, statistically.",
)
@click.option(
    "--shared-so-far",
    type=click.FloatRange(0, 1),
    help="Where the count of what was shared is lost: the part of the key's budget that is spent.",
)
@click.option(
    "--receipt",
    "receipt_file",
    type=FILE,
    help="Of the upload that it must answer, as `fhenn encrypt` wrote it; or the upload itself.  "
    "[default: upload.receipt.fhenn]",
)
@click.option("--no-range-check", is_flag=True, help="Take it without the witnesses that show values out of range.")
@click.option("--unbound", is_flag=True, help="Take one of version 1, which may be the answer to other samples.")
@click.option("--output", "-o", type=FILE, help="Table to write: .csv, .npy or .parquet.  [default: CSV, printed]")
@as_json_option
def decrypt(
    *,
    answer: Path,
    plan_file: Path,
    secret: Path,
    passphrase_file: Path | None,
    on_violation: OnViolation,
    share: bool,
    queries: int | None,
    bits: int,
    shared_so_far: float | None,
    receipt_file: Path | None,
    no_range_check: bool,
    unbound: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Decrypt the ANSWER of a server, on the client's side.

    A row per sample: the prediction, probabilities where the model has them, scores. Keep them to yourself as they are:
    the last digits of a decryption carry traces of the secret key. For results that others may see, plan with --queries
    and give --share. NPY holds numbers only: the scores. Ends with 1,
    and writes nothing, where samples had values outside an activation's domain, unless --on-violation says otherwise.

    \b
      fhenn decrypt answer.fhenn -o predictions.csv
    """
    if output is not None:
        check_ending(output)
        artifacts.require_place(output)  # before a shared result is counted
    message = artifacts.read_kind(plan_file, "plan")
    reading = artifacts.reading_from_bytes(message)
    data = artifacts.read(answer, "answer")
    named = Path("upload.receipt.fhenn") if receipt_file is None else receipt_file
    receipt = None if unbound and receipt_file is None and not named.exists() else _receipt(named)
    with progress(as_json) as show, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        client = _client(message, secret, passphrase_file, show)
        if shared_so_far is not None:
            client.keep_budget(budget_of(secret), shared_so_far, overwrite=True)
        found = client.decrypt_scores(
            data,
            receipt=receipt,
            on_violation=on_violation,
            range_check=not no_range_check,
            unbound=unbound,
            share=share,
            queries=queries,
            bits=bits,
        )
    for warning in warned:
        warn(warning.message)
    scores = np.ma.getdata(found)
    table = predictions(scores, reading, client.plan.finish)
    masked = np.flatnonzero(np.ma.getmaskarray(found).any(axis=1))
    if masked.size:
        table = table.masked(tuple(map(int, masked)))
        scores[masked] = np.nan
    if output is not None:
        numeric = output.suffix.lower() == ".npy"
        write_table(output, Table(None, tuple(scores.T)) if numeric else table)
        tell(
            as_json,
            {"predictions": str(output), "samples": table.rows},
            f"wrote {output}: {count_of(table.rows, 'sample')}",
        )
        return
    names = table.names or ()
    rows = [dict(zip(names, row, strict=True)) for row in table.records()]
    tell(as_json, {"predictions": rows}, as_csv(_shown(table)).rstrip("\n"))


def _shown(table: Table) -> Table:
    """A table for the terminal: a plan that a stranger made names its classes, and a line of text is a row."""
    names = None if table.names is None else tuple(map(printable, table.names))
    rows = [[printable(each) if isinstance(each, str) else each for each in row] for row in table.records()]
    return Table(names, tuple(zip(*rows, strict=True)))


def _allowed(memory_mb: int | None) -> float:
    return MEMORY if memory_mb is None else memory_mb * 1e6


def _receipt(path: Path) -> Receipt:
    """The receipt in a file, or of the upload in it. Raises WireFormatError, OSError."""
    data = artifacts.read(path, "receipt")
    if kind_of(data) == "ciphertexts":
        return Receipt.of(data)
    require_kind("receipt", data, str(path))
    return Receipt.from_bytes(data)


def _certificate(path: Path) -> fhenn.Certificate:
    """The certificate in a file of `fhenn certify`, JSON or not. Raises WireFormatError, OSError."""
    if path.suffix.lower() == ".json":
        return fhenn.Certificate.from_json(artifacts.read(path))
    return artifacts.certificate_from_bytes(artifacts.read_kind(path, "certificate"))


def predictions(scores: NDArray[np.float64], reading: Reading | None, finish: Any) -> Table:
    """What a client reads from scores (samples, outputs), with the scores beside it."""
    columns: dict[str, NDArray[Any]] = {}
    if reading is not None:
        predicted = np.asarray(reading.predict(scores))
        if predicted.ndim == 1:
            columns["prediction"] = predicted
        if reading.probability is not None:
            shares = reading.predict_proba(scores)
            columns |= {f"p({label})": shares[:, place] for place, label in enumerate(reading.classes)}
    elif finish is not None:
        outcome = np.asarray(finished(finish, scores))
        shares = outcome[:, None] if outcome.ndim == 1 else outcome
        columns |= {_numbered(finish, place, shares.shape[1]): shares[:, place] for place in range(shares.shape[1])}
    columns |= {_numbered("score", place, scores.shape[1]): scores[:, place] for place in range(scores.shape[1])}
    return Table(tuple(columns), tuple(columns.values()))


def _numbered(name: str, place: int, count: int) -> str:
    return name if count == 1 else f"{name}_{place}"


def _client(
    plan: bytes,
    secret: Path,
    passphrase_file: Path | None,
    show: Callable[[str, int, int], None],
    memory: float = MEMORY,
) -> fhenn.Client:
    data = artifacts.read_kind(secret, "secret-key")
    passphrase = passphrase_of(data, passphrase_file)
    if os.name == "posix" and secret.stat().st_mode & 0o077:
        warnings.warn(f"others can read {secret}: chmod 600 it.", stacklevel=2)
    return fhenn.Client.from_secret_bytes(
        artifacts.plan_from_bytes(plan), data, passphrase, progress=show, budget=budget_of(secret), memory=memory
    )


def budget_of(secret: Path) -> Path:
    """The file beside a secret key that counts what is shared under it."""
    return secret.with_name(secret.name + ".budget")
