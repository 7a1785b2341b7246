"""`fhenn fetch` and `fhenn predict`: the client's side of a service."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from os import environ
from pathlib import Path
from typing import Any

import click

from fhenn.artifacts import read_kind, write
from fhenn.cli.show import FILE, as_json_option, first_line, megabytes, output_option, progress, tell
from fhenn.errors import ParameterError
from fhenn.service import RemoteServer


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
    with RemoteServer(url, _token(token_file), model=model, verify=_trust(cafile)) as remote:
        write(output, remote.plan_message)
        tell(as_json, {"plan": str(output), "model": remote.model}, f"wrote {output}: the plan of {remote.model!r}")


@click.command()
@click.argument("upload", type=FILE, default=Path("upload.fhenn"))
@click.option("--keys", type=FILE, default=Path("keys.fhenn"), show_default=True, help="Evaluation keys; sent once.")
@_service_options
@click.option("--no-range-check", is_flag=True, help="Leave out the witnesses that show values out of range.")
@click.option("--answer-mb", type=click.IntRange(1), help="Refuse a larger answer.  [default: 64]")
@output_option("answer.fhenn", "the encrypted answer")
@as_json_option
def predict(
    *,
    upload: Path,
    keys: Path,
    url: str,
    model: str | None,
    token_file: Path | None,
    cafile: Path | None,
    no_range_check: bool,
    answer_mb: int | None,
    output: Path,
    as_json: bool,
) -> None:
    """Let a service run its model on the ciphertexts UPLOAD.

    It does what `fhenn evaluate` does with a model on this machine. Ciphertexts and evaluation keys leave this machine;
    the secret key does not.

    \b
      fhenn predict --url https://host upload.fhenn -o answer.fhenn
    """
    ciphertexts, evaluation_keys = read_kind(upload, "ciphertexts", url), read_kind(keys, "evaluation-context", url)
    token, trust = _token(token_file), _trust(cafile)
    with (
        progress(as_json) as show,
        RemoteServer(
            url, token, evaluation_keys, model, verify=trust, progress=show, largest_answer=(answer_mb or 64) << 20
        ) as remote,
    ):
        answer = remote.predict(ciphertexts, range_check=not no_range_check)
    write(output, answer)
    result = {"answer": str(output), "bytes": len(answer), "model": remote.model, "keys": remote.digest}
    tell(as_json, result, f"wrote {output}: {megabytes(len(answer))} of {remote.model!r}; for `fhenn decrypt`")


def _token(file: Path | None) -> str:
    """The token; it is not an argument, since every user of a machine sees those."""
    text = environ.get("FHENN_TOKEN", "") if file is None else first_line(file, "token")
    if not text.strip():
        raise ParameterError("a token is needed.", "Set FHENN_TOKEN, or give --token-file.")
    return text.strip()


def _trust(cafile: Path | None) -> object:
    if cafile is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(cafile))
    except ssl.SSLError as error:
        raise ParameterError(f"{cafile} does not hold certificates.", "Give a file of certificates in PEM.") from error
