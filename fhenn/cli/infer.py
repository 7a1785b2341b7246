"""`fhenn keygen`, `encrypt`, `evaluate`, `decrypt`: encrypted inference on files, client and server apart."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import fhenn
from fhenn import artifacts
from fhenn.cli.beside import receipt_beside
from fhenn.cli.bounds import samples_in_chunks
from fhenn.cli.complete import TABLES, files
from fhenn.cli.ids import IdsKept, id_option, ids_beside, ids_of, ids_options, remove_ids, require_apart
from fhenn.cli.passphrase import choose_passphrase, passphrase_file_option, read_passphrase
from fhenn.cli.pools import open_pool, ray_option
from fhenn.cli.show import FILE, as_json_option, count_of, megabytes, note, output_option, progress, tell, warn
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
from fhenn.cli.tables import CsvFormat, Table, as_csv, check_ending, csv_options
from fhenn.errors import BoundsExceeded, FileExists, ParameterError, WrongKind
from fhenn.interop import Preparation, Reading
from fhenn.nn.finish import finished
from fhenn.planner import Plan, fingerprint_of
from fhenn.planner.demands import MEMORY
from fhenn.planner.flooding import MOST_BITS, MOST_QUERIES, STATISTICAL_BITS
from fhenn.pool import RayEncryptor
from fhenn.session import Receipt, receipt_of
from fhenn.session.answer import OnViolation
from fhenn.session.encryption import Encrypting
from fhenn.session.receipt import UploadHeader
from fhenn.text import printable
from fhenn.wire import in_words, kind_of, source_of

_ANSWERS = ("refusal", "ciphertexts")
"""What an answer may begin with besides: a refusal of its first part; ciphertexts, in format version 1."""


def plan_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--plan."""
    return _file_option("plan")(command)


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--model."""
    return _file_option("model")(command)


def _file_option(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option called as the kind of its file, which is in the folder by its usual name."""
    return click.option(
        f"--{kind}",
        f"{kind}_file",
        type=FILE,
        shell_complete=files(kind),
        default=Path(f"{kind}.fhenn"),
        show_default=True,
        help=f"The {kind}.",
    )


def keys_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--keys, with its help."""
    return click.option(
        "--keys",
        type=FILE,
        shell_complete=files("evaluation-context"),
        default=Path("keys.fhenn"),
        show_default=True,
        help=told,
    )


def secret_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--secret."""
    return click.option(
        "--secret",
        type=FILE,
        shell_complete=files("secret-key"),
        default=Path("secret.fhenn"),
        show_default=True,
        help="Your secret key.",
    )(command)


clip_option = click.option("--clip", is_flag=True, help="Replace values beyond the plan's bounds by the nearest bound.")

violation_option = click.option(
    "--on-violation",
    type=click.Choice(("raise", "mask", "warn")),
    default="raise",
    show_default=True,
    help="For samples whose values left an activation's domain: stop, leave their cells empty, or only warn.",
)


strict_option = click.option(
    "--strict", is_flag=True, help="Refuse rows with categories that the model does not know, where it would go on."
)


memory_option = click.option(
    "--memory-mb",
    type=click.IntRange(1),
    help=f"Refuse plans whose keys, or ciphertexts of one sample, need more memory.  [default: {MEMORY / 1e6:.0f}]",
)


@click.command()
@click.argument("plan_file", metavar="PLAN", type=FILE, shell_complete=files("plan"), default=Path("plan.fhenn"))
@click.option(
    "--secret",
    type=FILE,
    shell_complete=files("secret-key"),
    default=Path("secret.fhenn"),
    show_default=True,
    help="File for the secret key.",
)
@keys_option("File for what the server gets.")
@click.option("--passphrase", "ask", is_flag=True, help="Lock the secret key with a passphrase, which is asked for.")
@passphrase_file_option
@click.option("--overwrite", is_flag=True, help="Replace existing keys: nobody can read their ciphertexts any more.")
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
        raise ParameterError(
            f"{secret} is given for the secret key and for the evaluation keys.", "Give two different names."
        )
    artifacts.require_place(secret, "secret-key")
    artifacts.require_place(keys, "evaluation-context")
    for each in (secret, keys):  # those that are there belong to another key
        if each.exists() and not overwrite:
            raise FileExists(str(each))
    passphrase = choose_passphrase(ask, passphrase_file)
    with progress(as_json) as show:
        client = fhenn.Client(plan, progress=show, memory=memory_bound(memory_mb))
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
@click.argument("data", shell_complete=files(endings=TABLES))
@plan_option
@secret_option
@passphrase_file_option
@click.option(
    "--public-key",
    "keys",
    type=FILE,
    shell_complete=files("evaluation-context"),
    help="Encrypt with the public key in these evaluation keys, not the secret one.",
)
@id_option
@ray_option
@clip_option
@strict_option
@csv_options
@output_option("upload.fhenn", "the ciphertexts")
@workers_option
@resume_option
@memory_option
@as_json_option
def encrypt(
    *,
    data: str,
    plan_file: Path,
    secret: Path,
    passphrase_file: Path | None,
    keys: Path | None,
    id_column: str | None,
    cluster: str | None,
    clip: bool,
    strict: bool,
    csv_format: CsvFormat,
    output: Path,
    workers: int | None,
    resume: bool,
    memory_mb: int | None,
    as_json: bool,
) -> None:
    """Encrypt the samples of a table, on the client's side.

    DATA is CSV, NPY or Parquet, of any number of rows. Where the model has names of features, columns are taken by
    name, and others, such as a label, are left out; else by position. Where it has a preparation, DATA are raw, as it
    was fitted on: categories as text, blanks as blanks; they are prepared here. For a model of images NPY may hold
    images: (samples, channels, height, width). A receipt is written beside the ciphertexts: with it `fhenn decrypt`
    recognises the answer to them. With --id a column of the table, which is not encrypted, is kept beside the receipt:
    `fhenn decrypt` puts it beside the results.

    With --public-key no secret is needed, and the upload is twice as large; the plan must have been made for that. With
    --ray a cluster does it, which DATA are read by: files or a URL of Parquet or CSV.

    \b
      fhenn encrypt records.csv -o upload.fhenn
      fhenn encrypt records.csv --id patient_id
      fhenn encrypt 's3://in/*.parquet' --public-key keys.fhenn --ray HOST:PORT
    """
    receipt, ids_file = receipt_beside(output), ids_beside(output)
    artifacts.require_place(output, "ciphertexts")
    artifacts.require_place(receipt, "receipt")
    message = artifacts.read_kind(plan_file, "plan")
    plan = artifacts.plan_from_bytes(message)
    columns = columns_of(plan, message)
    names, preparation = columns.features, columns.preparation
    with progress(as_json) as show, ExitStack() as stack:
        rows, ids = Rows(show, "encrypt"), None
        if id_column is not None:
            require_apart(id_column, columns.taken, names_of_results(plan, artifacts.reading_from_bytes(message)))
            ids = stack.enter_context(IdsKept(ids_file, id_column))
        encryptor: Encrypting
        if cluster is not None:
            if keys is None or resume or id_column is not None:
                raise ParameterError(
                    "--ray goes with --public-key, and not with --resume or --id.",
                    "The secret key and ids must not reach a cluster; what is there may change from run to run.",
                )
            public = artifacts.read_kind(keys, "evaluation-context")
            there = stack.enter_context(RayEncryptor(plan, public, cluster, memory=memory_bound(memory_mb)))
            encryptor, table, batches = there, data, there.read(data, columns.taken)
            samples = batches if preparation is None else map(partial(preparation.prepare, strict=strict), batches)
        else:
            table = artifacts.file_state(Path(data))
            reading = samples_in_chunks(
                Path(data), names, csv_format, as_json, plan.shape, id_column, preparation, strict
            )
            chunks = stack.enter_context(closing(reading))
            samples = passing(chunks, rows) if ids is None else passing(chunks, rows, ids.add)
            if keys is None:
                encryptor = client_of(message, secret, passphrase_file, memory=memory_bound(memory_mb))
            else:
                public = artifacts.read_kind(keys, "evaluation-context")
                encryptor = fhenn.Encryptor(plan, public, memory=memory_bound(memory_mb), preparation=preparation)
        clipping = Clipping(plan) if clip else None
        job = {
            "plan": sha256(message).hexdigest(),  # with the order of its features
            "key": encryptor.fingerprint,
            "table": table,
            "options": " ".join(
                [f"{csv_format} {clip} {keys is None}", *([id_column] if id_column else []), *(["strict"] * strict)]
            ),
        }
        with kept(output), artifacts.UnfinishedFile(output, "ciphertexts", job, resume) as file:
            stream = encryptor.encrypt_stream(
                as_given(samples if clipping is None else map(clipping.clip, samples), preparation),
                workers=workers,
                after=file.written() if ids is None else ids.pass_by(file.written()),
            )
            with closing(stream), naming(names):
                for part in stream if ids is None else ids.pass_by(stream):
                    rows.count = stream.samples
                    file.append(part)
            if ids is None:
                remove_ids(ids_file)  # of an upload that there was before
            else:
                ids.finish()
            artifacts.write(receipt, stream.receipt.to_bytes())  # before the upload has its name: no upload without one
    clipped = 0 if clipping is None else clipping.count
    result = {
        "ciphertexts": str(output),
        "receipt": str(receipt),
        **({} if ids is None else {"ids": str(ids_file)}),
        "samples": stream.samples,
        "parts": len(stream.receipt.parts),
        "bytes": file.size,
        "clipped": clipped,
    }
    clip_note = f", {clipped} values clipped" if clipped else ""
    text = (
        f"wrote {output}: {count_of(stream.samples, 'sample')}, {megabytes(file.size)}{clip_note}; for the server\n"
        f"wrote {receipt}: its receipt, which `fhenn decrypt` compares the answer with; it stays here"
    )
    if ids is not None:
        text += f"\nwrote {ids_file}: its ids, which `fhenn decrypt` puts beside the results; they stay here"
    tell(as_json, result, text)


@click.command()
@click.argument("upload", type=FILE, shell_complete=files("ciphertexts"), default=Path("upload.fhenn"))
@model_option
@plan_option
@keys_option("The client's evaluation keys.")
@click.option(
    "--certificate",
    type=FILE,
    shell_complete=files("certificate", endings=(".json",)),
    help="Refuse unless this certificate holds for model and plan.",
)
@output_option("answer.fhenn", "the encrypted answer")
@workers_option
@ray_option
@resume_option
@as_json_option
def evaluate(
    *,
    upload: Path,
    model_file: Path,
    plan_file: Path,
    keys: Path,
    certificate: Path | None,
    output: Path,
    workers: int | None,
    cluster: str | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Run the model on ciphertexts, on the server's side.

    They are read from UPLOAD; no secret key is needed. Where the plan has witnesses, they are part of the answer.

    \b
      fhenn evaluate upload.fhenn -o answer.fhenn
    """
    network = artifacts.model_from_bytes(artifacts.read_kind(model_file, "model"))
    plan = artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
    required = None if certificate is None else _certificate(certificate)
    evaluation_keys = artifacts.read_kind(keys, "evaluation-context")
    with progress(as_json) as show:
        rows, refused = Rows(show, "evaluate"), Refusals()
        parts = artifacts.read_messages(upload, "ciphertexts", told=rows.reach)
        job = {
            "model": fingerprint_of(network),
            "plan": plan.fingerprint,
            "keys": sha256(evaluation_keys).hexdigest(),
            "upload": artifacts.file_state(upload),
        }
        with (
            kept(output),
            open_pool(network, plan, evaluation_keys, workers, cluster, required) as pool,
            artifacts.UnfinishedFile(output, "answer", job, resume) as file,
        ):
            counted = rows.pass_by(parts, samples_in)
            for answer in refused.pass_by(pool.predict_stream(counted, after=refused.pass_by(file.written()))):
                file.append(answer)
    fingerprint = str(artifacts.header_of(evaluation_keys).meta.get("fingerprint"))
    result = {
        "answer": str(output),
        "bytes": file.size,
        "samples": rows.count,
        "refused": refused.count,
        "fingerprint": fingerprint,
    }
    text = f"wrote {output}: {megabytes(file.size)}; for the client of the evaluation keys {fingerprint}{refused}"
    tell(as_json, result, text)


def samples_in(message: bytes) -> int:
    """Samples in a part of an upload; none in what ends a stream. Raises WireFormatError."""
    return UploadHeader.of(message).samples if kind_of(message) == "ciphertexts" else 0


@click.command()
@click.argument("answer", type=FILE, shell_complete=files("answer"), default=Path("answer.fhenn"))
@plan_option
@secret_option
@passphrase_file_option
@violation_option
@click.option("--share", is_flag=True, help="Add noise that hides the key from those who see the results; counted.")
@click.option(
    "--queries",
    type=click.IntRange(1, MOST_QUERIES),
    help="Samples that may ever be shared under this key.  [default: the plan's]",
)
@click.option(
    "--bits",
    type=click.IntRange(1, MOST_BITS),
    default=STATISTICAL_BITS,
    show_default=True,
    help="Statistical security of --share, in bits.",
)
@click.option(
    "--shared-so-far",
    type=click.FloatRange(0, 1),
    help="If the file that counts what was shared is lost: the share of the key's budget that is spent, 0 to 1.",
)
@click.option(
    "--receipt",
    "receipt_file",
    type=FILE,
    shell_complete=files("receipt", "ciphertexts"),
    help="Receipt of the upload that was sent, as `fhenn encrypt` wrote it; or the upload itself.  "
    "[default: upload.receipt.fhenn]",
)
@ids_options
@click.option("--no-range-check", is_flag=True, help="Accept an answer without the witnesses of values out of range.")
@click.option("--unbound", is_flag=True, help="Accept an answer of version 1, which may belong to other samples.")
@click.option("--output", "-o", type=FILE, help="Table to write: .csv, .npy or .parquet.  [default: CSV, printed]")
@workers_option
@resume_option
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
    ids_file: Path | None,
    no_ids: bool,
    no_range_check: bool,
    unbound: bool,
    output: Path | None,
    workers: int | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Decrypt the ANSWER of a server, on the client's side.

    Writes a row per sample: its id after `fhenn encrypt --id`, the prediction, probabilities where the model has them,
    scores. Keep them to yourself: the last digits of a decryption carry traces of the secret key. For results that
    others may see, plan with --queries and give --share. NPY holds numbers only: the scores, without ids. Ends with 1
    and writes nothing where samples had values outside an activation's domain, unless --on-violation says otherwise.

    \b
      fhenn decrypt answer.fhenn -o predictions.csv
    """
    if resume and output is None:
        raise ParameterError("--resume needs a file that it goes on with.", "Give --output.")
    if output is not None:
        check_ending(output)
        artifacts.require_place(output)  # before a shared result is counted
    message = artifacts.read_kind(plan_file, "plan")
    reading = artifacts.reading_from_bytes(message)
    artifacts.read_messages(answer, "answer", also=_ANSWERS)  # said before a receipt is asked for
    _require_no_upload(answer)
    receipt_path = Path("upload.receipt.fhenn") if receipt_file is None else receipt_file
    receipt = None if unbound and receipt_file is None and not receipt_path.exists() else _receipt(receipt_path)
    ids = None if no_ids else ids_of(ids_file, receipt_path, receipt)
    if ids is not None and holds_numbers_alone(output):
        note(as_json, f"{output} holds numbers alone: the ids of samples are left out")
        ids = None
    if ids is not None:
        require_apart(ids.column, None, names_of_results(artifacts.plan_from_bytes(message), reading))
    with progress(as_json) as show, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = client_of(message, secret, passphrase_file)
        if shared_so_far is not None:
            client.keep_budget(budget_of(secret), shared_so_far, overwrite=True)
        rows = Rows(show, "decrypt")
        messages = artifacts.read_messages(answer, "answer", also=_ANSWERS, told=rows.reach)
        options = {
            "on_violation": on_violation,
            "range_check": not no_range_check,
            "unbound": unbound,
            "share": share,
            "queries": queries,
            "bits": bits,
        }
        job = {
            "plan": sha256(message).hexdigest(),  # with what its scores mean
            "key": client.fingerprint,
            "answer": artifacts.file_state(answer),
            "receipt": "" if receipt is None else sha256(receipt.to_bytes()).hexdigest(),
            "options": json.dumps(options),
            **({} if ids is None else {"ids": ids.state}),
        }
        with kept(output), Results(output, job, resume, None if ids is None else ids.beside) as results:
            if ids is not None:
                ids.skip(results.parts)
            results.rows = sum(part.samples for part in (receipt.parts if receipt else ())[: results.parts])
            for scores in client.decrypt_stream(
                messages,
                receipt=receipt,
                scores=True,
                workers=workers,
                skip=results.parts,
                **options,
            ):
                results.append(rows_of(scores, reading, client.plan.finish, results.numeric))
                rows.count = results.rows
    for warning in caught:
        warn(warning.message)
    tell_results(as_json, output, results)


def _require_no_upload(answer: Path) -> None:
    """Raise WrongKind where an upload is given as the answer to it: answers of format version 1 are of its kind."""
    header = artifacts.header_of(answer)
    if header.kind == "ciphertexts" and "upload" in header.meta:
        got, source = in_words("ciphertexts"), source_of("answer")
        raise WrongKind(in_words("answer"), f"it is {got}", str(answer), got, "", source)


def tell_results(as_json: bool, output: Path | None, results: Results) -> None:
    """Say where results are, or print them.

    as_json: whether as JSON.
    output: the table that they were written to, None for none.
    results: whole.
    """
    if output is not None:
        tell(
            as_json,
            {"predictions": str(output), "samples": results.rows},
            f"wrote {output}: {count_of(results.rows, 'sample')}",
        )
        return
    table = results.table
    names = table.names or ()
    records = [dict(zip(names, row, strict=True)) for row in table.records()]
    tell(as_json, {"predictions": records}, as_csv(_printable(table)).rstrip("\n"))


@dataclass(frozen=True)
class Columns:
    """What is read of a table.

    features: names of what is encrypted, None where they have none.
    preparation: what makes these of a raw table; None where the table holds them.
    """

    features: tuple[str, ...] | None
    preparation: Preparation | None

    @property
    def taken(self) -> tuple[str, ...] | None:
        """Names of the table's columns that are read, None where they have none."""
        return self.features if self.preparation is None else self.preparation.names


def columns_of(plan: Plan, message: bytes) -> Columns:
    """What is read of a table for a plan.

    plan: that is in the message.
    message: with what the model's scores mean, and with its preparation.

    Raises WireFormatError, PreparationMismatch.
    """
    reading = artifacts.reading_from_bytes(message)
    names = plan.feature_names or (None if reading is None else reading.features)
    return Columns(None if names is None else tuple(names), artifacts.preparation_from_bytes(message))


@contextmanager
def naming(features: tuple[str, ...] | None) -> Iterator[None]:
    """Let errors about values beyond bounds name the features. features: their names, None for none."""
    try:
        yield
    except BoundsExceeded as error:
        named = () if features is None else tuple(features[place] for place in error.features)
        raise replace(error, names=named) from None


def rows_of(decrypted: Any, reading: Reading | None, finish: Any, numeric: bool) -> Table:
    """The rows of a part; those of samples with violations are empty.

    decrypted: the scores, (samples, outputs), those of samples with violations masked.
    reading: as for `predictions`.
    finish: as for `predictions`.
    numeric: whether to leave out all but the scores, and names.
    """
    scores = np.ma.getdata(decrypted)
    violations = np.flatnonzero(np.ma.getmaskarray(decrypted).any(axis=1))
    if numeric:
        scores[violations] = np.nan
        return Table(None, tuple(scores.T))
    return predictions(scores, reading, finish).mask(tuple(map(int, violations)))


def names_of_results(plan: Plan, reading: Reading | None) -> tuple[str, ...]:
    """What the columns of results are called, beside ids. plan, reading: of the model; None where it does not say."""
    outputs = 0 if plan.result is None else plan.result.outputs
    return (predictions(np.zeros((1, outputs)), reading, plan.finish).names or ()) if outputs else ()


def _printable(table: Table) -> Table:
    """A table that is safe on the terminal: a plan that a stranger made names its classes."""
    names = None if table.names is None else tuple(map(printable, table.names))
    rows = [[printable(each) if isinstance(each, str) else each for each in row] for row in table.records()]
    return Table(names, tuple(zip(*rows, strict=True)))


def memory_bound(memory_mb: int | None) -> float:
    """The bound on memory in bytes. memory_mb: of `memory_option`, None for its default."""
    return MEMORY if memory_mb is None else memory_mb * 1e6


def _receipt(path: Path) -> Receipt:
    """The receipt in a file, or that of the upload in it. Raises WireFormatError, OSError."""
    messages = artifacts.read_messages(path, "receipt", also=("ciphertexts",))
    first = next(messages)
    return receipt_of(chain([first], messages)) if kind_of(first) == "ciphertexts" else Receipt.from_bytes(first)


def _certificate(path: Path) -> fhenn.Certificate:
    """The certificate in a file of `fhenn certify`, JSON or not. Raises WireFormatError, OSError."""
    if path.suffix.lower() == ".json":
        return fhenn.Certificate.from_json(artifacts.read(path))
    return artifacts.certificate_from_bytes(artifacts.read_kind(path, "certificate"))


def predictions(scores: NDArray[np.float64], reading: Reading | None, finish: Any) -> Table:
    """The columns that a client reads from scores, and the scores.

    scores: (samples, outputs), decrypted.
    reading: what they mean, None where the model does not say.
    finish: what the client applies to the scores, None for nothing.
    """
    columns: dict[str, NDArray[Any]] = {}
    if reading is not None:
        columns |= _read(scores, reading)
    elif finish is not None:
        outcome = np.asarray(finished(finish, scores))
        shares = outcome[:, None] if outcome.ndim == 1 else outcome
        columns |= {_column_name(finish, place, shares.shape[1]): shares[:, place] for place in range(shares.shape[1])}
    columns |= {_column_name("score", place, scores.shape[1]): scores[:, place] for place in range(scores.shape[1])}
    return Table(tuple(columns), tuple(columns.values()))


def _read(scores: NDArray[np.float64], reading: Reading) -> dict[str, NDArray[Any]]:
    """Predictions and probabilities by the names of their columns."""
    predicted = np.asarray(reading.predict(scores))
    shares = reading.predict_proba(scores) if reading.has_probabilities else None
    if reading.outputs:
        columns = _numbered("prediction", predicted)
        for place, (output, each) in enumerate(zip(reading.outputs, shares or (), strict=False)):
            columns |= {f"p_{place}({label})": each[:, at] for at, label in enumerate(output.classes)}
        return columns
    if reading.task == "multilabel":
        columns = {f"prediction({label})": predicted[:, place] for place, label in enumerate(reading.classes)}
    elif predicted.ndim == 1:
        columns = {"prediction": predicted}
    else:
        columns = _numbered("prediction", predicted)
    if shares is not None:
        columns |= {f"p({label})": shares[:, place] for place, label in enumerate(reading.classes)}
    return columns


def _numbered(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {_column_name(name, place, values.shape[1]): values[:, place] for place in range(values.shape[1])}


def _column_name(name: str, place: int, count: int) -> str:
    return name if count == 1 else f"{name}_{place}"


def client_of(
    plan: bytes,
    secret: Path,
    passphrase_file: Path | None,
    memory: float = MEMORY,
) -> fhenn.Client:
    """The client of a secret key in a file.

    plan: message with the plan that it was made for, and with its preparation.
    secret: the file; others should not be able to read it.
    passphrase_file: holds the passphrase; None to ask for it where it is needed.
    memory: that the client may take, in bytes.

    Raises what `Client.from_secret_bytes` does, OSError.
    """
    data = artifacts.read_kind(secret, "secret-key")
    passphrase = read_passphrase(data, passphrase_file)
    if os.name == "posix" and secret.stat().st_mode & 0o077:
        warnings.warn(f"others can read {secret}. Run chmod 600 {secret}.", stacklevel=2)
    return fhenn.Client.from_secret_bytes(
        artifacts.plan_from_bytes(plan),
        data,
        passphrase,
        budget=budget_of(secret),
        memory=memory,
        preparation=artifacts.preparation_from_bytes(plan),
    )


def budget_of(secret: Path) -> Path:
    """The file beside a secret key that counts what is shared under it."""
    return secret.with_name(secret.name + ".budget")
