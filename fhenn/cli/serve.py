"""`fhenn serve`, `fhenn model` and `fhenn token`: the service, what it serves and who may use it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fhenn.artifacts import read_kind
from fhenn.cli.complete import files, owners, tokens, versions
from fhenn.cli.complete import models as stored_models
from fhenn.cli.pools import ray_option
from fhenn.cli.show import FILE, Grid, as_json_option, local_time, say, tell, warn
from fhenn.cli.shown_page import DEMO_NAME, checked_page, demo_model, page_address, where_of
from fhenn.errors import ExtraMissing, ParameterError, StoreUnsafe
from fhenn.pool.base import number_of_workers
from fhenn.pool.cluster import Cluster
from fhenn.pool.hosts import require_same_fhenn
from fhenn.service.addresses import PROXY_HEADERS
from fhenn.service.folder import NAME_ANOTHER, foreign_in, require_posix
from fhenn.service.security_log import NAME, append
from fhenn.service.tokens import HOW_TO_MEND, Token, Tokens

if TYPE_CHECKING:
    from fhenn.service.model_store import ModelStore


def _checked_store(context: click.Context, parameter: click.Parameter, store: Path) -> Path:
    """A folder that is a store or can become one. Raises StoreUnsafe, OSError."""
    if foreign := foreign_in(store):
        raise StoreUnsafe(str(store), foreign, NAME_ANOTHER)
    return store


_STORE = click.option(
    "--store",
    callback=_checked_store,
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("fhenn-store"),
    show_default=True,
    envvar="FHENN_STORE",
    help="Folder for models, keys and tokens; created where it is missing.",
)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


_SECURITY_LOG = click.option(
    "--security-log",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="FHENN_SECURITY_LOG",
    help="Log of who did what, from where, with which result; rotated.  [default: security.log in the store]",
)


@click.command()
@_STORE
@click.option(
    "--add",
    nargs=3,
    multiple=True,
    metavar="NAME MODEL PLAN",
    help="Add a model and its plan first, as `fhenn model add` does, for later runs too. May be repeated.",
)
@click.option(
    "--demo",
    is_flag=True,
    help="Add a model of public data first, `breast-cancer`, and print a token for it that lasts a day.",
)
@click.option("--host", default="127.0.0.1", show_default=True, envvar="FHENN_HOST", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="0 for a free one.")
@click.option("--ssl-certfile", type=_FILE, help="TLS: the certificate chain, PEM.")
@click.option("--ssl-keyfile", type=_FILE, help="TLS: the certificate's key, PEM.")
@click.option(
    "--tls-elsewhere", is_flag=True, help="A proxy ends TLS: allow plain HTTP on other addresses than loopback."
)
@click.option(
    "--trusted-proxy",
    multiple=True,
    metavar="ADDRESS",
    help="Address or network of a proxy that is trusted to say where a request comes from. May be repeated.",
)
@click.option(
    "--proxy-header",
    type=click.Choice(PROXY_HEADERS, case_sensitive=False),
    default=PROXY_HEADERS[0],
    show_default=True,
    help="Header in which a trusted proxy says so; the other one is ignored, as a client can send it.",
)
@click.option(
    "--page",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FHENN_PAGE",
    help="Folder of the page for browsers, fhenn/web/dist of the sources once built; it is served at /.",
)
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="ORIGIN",
    help="Let a page from elsewhere, https://page.example.org, use this service. May be repeated.",
)
@_SECURITY_LOG
@click.option("--workers", type=click.IntRange(min=1), help="Processes that evaluate.  [default: one per processor]")
@ray_option
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Bound on one evaluation.  [default: 60]")
@click.option("--queue", type=click.IntRange(min=1), help="Requests that may wait for a worker.  [default: 64]")
@click.option("--memory-mb", type=click.IntRange(min=256), help="Address space of each worker.  [default: 4096]")
@click.option("--body-mb", type=click.IntRange(min=1), help="Bound on one prediction's request.  [default: 64]")
@click.option("--keys-mb", type=click.IntRange(min=1), help="Bound on one client's evaluation keys.  [default: 512]")
@click.option("--keys-per-owner", type=click.IntRange(min=1), help="Least recently used keys go first.  [default: 64]")
@click.option("--owner-mb", type=click.IntRange(min=1), help="Bound on one owner's keys in all.  [default: 2048]")
@click.option("--ciphertexts", type=click.IntRange(min=1), help="Bound on those of one request.  [default: 4096]")
def serve(
    store: Path,
    add: tuple[tuple[str, str, str], ...],
    demo: bool,
    host: str,
    port: int,
    ssl_certfile: Path | None,
    ssl_keyfile: Path | None,
    tls_elsewhere: bool,
    trusted_proxy: tuple[str, ...],
    proxy_header: str,
    page: Path | None,
    allow_origin: tuple[str, ...],
    security_log: Path | None,
    workers: int | None,
    cluster: str | None,
    seconds: float | None,
    queue: int | None,
    memory_mb: int | None,
    body_mb: int | None,
    keys_mb: int | None,
    keys_per_owner: int | None,
    owner_mb: int | None,
    ciphertexts: int | None,
) -> None:
    """Serve models on ciphertexts, over HTTP.

    \b
      fhenn serve --add cancer model.fhenn plan.fhenn
      fhenn token create hospital
      fhenn predict --url http://127.0.0.1:8600      the client, elsewhere
      fhenn serve --demo --page fhenn/web/dist       the client in a browser

    The secret keys stay with the clients, the models stay here. Logs are JSON on standard error; /docs describes the
    interface, /metrics counts. SIGTERM finishes what runs; SIGHUP reads the certificate anew.
    """
    require_posix()
    try:
        from fhenn.service.limits import Limits
        from fhenn.service.page import Page
        from fhenn.service.serving import serve as run
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("fastapi", "starlette", "uvicorn", "h11", "pydantic", "prometheus_client"):
            raise ExtraMissing("serve", package) from error
        raise
    given = {
        "workers": workers,
        "seconds": seconds,
        "queue": queue,
        "memory": memory_mb and memory_mb << 20,
        "body": body_mb and body_mb << 20,
        "keys": keys_mb and keys_mb << 20,
        "keys_per_owner": keys_per_owner,
        "bytes_per_owner": owner_mb and owner_mb << 20,
        "ciphertexts": ciphertexts,
    }
    with ExitStack() as stack:
        nodes = None
        if cluster is not None:
            nodes = stack.enter_context(Cluster(cluster, number_of_workers(workers)))
            require_same_fhenn(nodes)
            given["workers"] = workers or sum(nodes.cores)
        limits = Limits(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        models = [(name, read_kind(model, "model"), read_kind(plan, "plan")) for name, model, plan in add]
        if demo:
            if page:
                Page.read(page)  # a wrong folder is refused before a model is trained
            models.append((DEMO_NAME, *demo_model()))

        def started(url: str) -> None:
            say(f"fhenn serves {url}")
            if page:
                say(f"its page is at {page_address(url)}{where_of(url)}")
            if demo:
                text = _create_token(store, security_log, "demo", 1.0, (DEMO_NAME,), None)[0]
                say(f"to try it: {page_address(url, text) if page else text}")
            elif not Tokens(store / "tokens").all():
                say("nobody may use it yet: `fhenn token create OWNER` makes a token for a client")

        run(
            store,
            host,
            port,
            limits,
            ssl_certfile,
            ssl_keyfile,
            tls_elsewhere,
            trusted_proxy,
            proxy_header,
            models,
            security_log,
            started,
            nodes,
            page,
            allow_origin,
        )


@click.group()
def model() -> None:
    """What the service serves: add, list and remove models.

    A model that is added under an existing name becomes its current version. Earlier versions stay for the clients that
    hold their plans, until they are removed. A service that runs on the store follows within seconds.

    \b
      fhenn model add cancer model.fhenn plan.fhenn
    """


@model.command()
@click.argument("name", shell_complete=stored_models)
@click.argument("model_file", metavar="MODEL", type=FILE, shell_complete=files("model"))
@click.argument("plan_file", metavar="PLAN", type=FILE, shell_complete=files("plan"))
@_STORE
@_SECURITY_LOG
@as_json_option
def add(name: str, model_file: Path, plan_file: Path, store: Path, security_log: Path | None, as_json: bool) -> None:
    """Add a model as the current version of NAME.

    From the files of the model and its plan. Adding an earlier version again makes it the current one again.
    """
    new = _is_new(store)
    version = _models(store).add(name, read_kind(model_file, "model"), read_kind(plan_file, "plan"))
    _say_new(store, new)
    append(security_log or store / NAME, "model", "added", model=name, version=version)
    tell(as_json, {"name": name, "version": version}, f"{name} {version} is current")


@model.command(name="list")
@_STORE
@as_json_option
def list_models(store: Path, as_json: bool) -> None:
    """List names and versions, and which version is current."""
    models = _models(store)
    outline = models.outline() if (store / "models").is_dir() else ()
    rows = [
        {"name": name, "version": version, "current": version == current}
        for name, current, versions in outline
        for version in versions
    ]
    table = Grid("name", "version", "")
    for row in rows:
        table.add_row(row["name"], row["version"], "current" if row["current"] else "")
    empty = f"no models in {store}: `fhenn model add NAME model.fhenn plan.fhenn` adds one"
    tell(as_json, rows, table if rows else empty)


@model.command()
@click.argument("name", shell_complete=stored_models)
@click.argument("version", required=False, shell_complete=versions)
@_STORE
@_SECURITY_LOG
@as_json_option
def remove(name: str, version: str | None, store: Path, security_log: Path | None, as_json: bool) -> None:
    """Remove VERSION of the model NAME, or all of it.

    Without VERSION, all versions are removed. Clients that hold the plan of a removed version are told to fetch the
    current one.
    """
    _models(store).remove(name, version)
    append(security_log or store / NAME, "model", "removed", model=name, version=version)
    tell(as_json, {"removed": name, "version": version}, f"removed {name}{' ' + version if version else ''}")


def _is_new(store: Path) -> bool:
    """Whether there is no store yet in a folder. Raises OSError."""
    return not any((store / name).exists() for name in ("models", "tokens", "lock"))


def _say_new(store: Path, new: bool) -> None:
    """Say that a store was made, where there was none: a service elsewhere would not know what is in it."""
    if new:
        say(f"made a new store at {store.resolve()}", err=True)


def _models(store: Path) -> ModelStore:
    from fhenn.service.model_store import ModelStore

    return ModelStore(store / "models")


@click.group()
def token() -> None:
    """Who may use the service: create, list, revoke tokens.

    A token belongs to an owner, reaches that owner's evaluation keys and no others, and expires.

    \b
      fhenn token create hospital --days 30
    """


@token.command()
@click.argument("owner", shell_complete=owners)
@_STORE
@click.option("--days", type=float, default=90.0, show_default=True, help="Days until it expires.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    shell_complete=stored_models,
    help="Model that it reaches; all if none is named.",
)
@click.option("--samples-per-day", type=click.IntRange(1, 1 << 52), help="Bound on predictions.  [default: any number]")
@click.option(
    "--page",
    metavar="URL",
    help="Print the address of the page at URL, which may end with ?service=ADDRESS, that hands it the token instead.",
)
@_SECURITY_LOG
@as_json_option
def create(
    owner: str,
    store: Path,
    days: float,
    models: tuple[str, ...],
    samples_per_day: int | None,
    page: str | None,
    security_log: Path | None,
    as_json: bool,
) -> None:
    """Create a token for OWNER and print it, this once.

    Only its SHA-256 is kept. Whoever asks often enough can rebuild a model from its answers: --samples-per-day bounds
    that. An upload counts as the most samples that a crafted one could hold: the slots of a ciphertext (half the ring
    degree, 2,048 to 16,384) for each group of samples that share ciphertexts. Allow a multiple of it.

    An address of --page has the token behind a #, which browsers send to nobody.
    """
    for name in _missing_models(store, models, samples_per_day):
        say(f"The store has no model {name!r} yet: the token will reach it when it is added.", err=True)
    shown = None if page is None else checked_page(page)  # a wrong one before a token is made
    new = _is_new(store)
    text, record = _create_token(store, security_log, owner, days, models, samples_per_day)
    _say_new(store, new)
    address = None if shown is None else f"{shown}#token={text}"
    result: dict[str, object] = {"token": text, "id": record.id, "owner": record.owner, "expires": record.expires}
    result |= {"models": record.models, "samples_per_day": samples_per_day}
    tell(as_json, result | ({} if address is None else {"page": address}), address or text)
    if not as_json:
        say(f"for {record.owner}, until {local_time(record.expires)}; it is not shown again", err=True)


def _create_token(
    store: Path,
    security_log: Path | None,
    owner: str,
    days: float,
    models: tuple[str, ...],
    samples_per_day: int | None,
) -> tuple[str, Token]:
    """A new token, as text and as it is kept; it is written down that there is one. Raises ParameterError, OSError."""
    text, record = Tokens(store / "tokens").create(owner, days, models, samples_per_day)
    reach = {"models": record.models, "samples_per_day": samples_per_day}
    append(
        security_log or store / NAME, "token", "created", token=record.id, owner=owner, expires=record.expires, **reach
    )
    return text, record


@token.command(name="list")
@_STORE
@as_json_option
def list_tokens(store: Path, as_json: bool) -> None:
    """List ids, owners, expiry, models and samples a day; not the tokens."""
    tokens = Tokens(store / "tokens")
    records = tokens.all()
    for path in tokens.damaged():
        warn(f"{path} is damaged: it is no token. {HOW_TO_MEND}")
    rows = [
        {"id": record.id, "owner": record.owner, "created": record.created, "expires": record.expires}
        | {"models": record.models, "samples_per_day": record.samples_per_day}
        for record in records
    ]
    table = Grid("id", "owner", "created", "expires", "models", "samples/day")
    for record in records:
        expires = local_time(record.expires)[:10] + (" (expired)" if tokens.has_expired(record) else "")
        models = "all" if record.models is None else ", ".join(record.models)
        most = "any" if record.samples_per_day is None else f"{record.samples_per_day:,}"
        table.add_row(record.id, record.owner, local_time(record.created)[:10], expires, models, most)
    empty = f"no tokens in {store}: `fhenn token create OWNER` makes one"
    tell(as_json, rows, table if rows else empty)


def _missing_models(store: Path, models: tuple[str, ...], samples_per_day: int | None) -> list[str]:
    """Those of the models that are not in the store.

    Raises ParameterError where a day's samples are fewer than one upload to a model counts as, FhennError, OSError.
    """
    slots = _models(store).slots() if (store / "models").is_dir() else {}
    for name in models or slots:
        if samples_per_day is not None and samples_per_day < slots.get(name, 0):
            raise ParameterError(
                f"{samples_per_day} samples a day are too few for {name}: an upload counts as {slots[name]} or more.",
                f"Allow at least {slots[name]}, or name other models with --model.",
            )
    return [name for name in models if name not in slots]


@token.command()
@click.argument("identity", metavar="ID", shell_complete=tokens)
@_STORE
@_SECURITY_LOG
@as_json_option
def revoke(identity: str, store: Path, security_log: Path | None, as_json: bool) -> None:
    """Revoke the token with ID, from the next request on."""
    Tokens(store / "tokens").revoke(identity)
    append(security_log or store / NAME, "token", "revoked", token=identity)
    tell(as_json, {"revoked": identity}, f"revoked {identity}")
