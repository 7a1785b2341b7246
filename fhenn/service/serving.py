"""Run the service: sockets, TLS, shutdown."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from fhenn import __version__
from fhenn.errors import ServiceRefused
from fhenn.pool.cluster import Cluster
from fhenn.service.addresses import PROXY_HEADERS, networks_of
from fhenn.service.app import create_app
from fhenn.service.connections import Listener, protocol_of
from fhenn.service.descriptors import fit_descriptors
from fhenn.service.folder import require_posix
from fhenn.service.limits import Limits
from fhenn.service.logs import log, log_as_json
from fhenn.service.loopback import is_loopback
from fhenn.service.origins import origin_of
from fhenn.service.page import Page
from fhenn.service.security_log import NAME as SECURITY_LOG
from fhenn.service.security_log import append
from fhenn.service.store import Store
from fhenn.service.tls import require_pair


def serve(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 8600,
    limits: Limits | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    tls_elsewhere: bool = False,
    trusted_proxies: Sequence[str] = (),
    proxy_header: str = PROXY_HEADERS[0],
    add: Sequence[tuple[str, bytes, bytes]] = (),
    security_log: Path | None = None,
    on_start: Callable[[str], None] = lambda url: None,
    cluster: Cluster | None = None,
    page: Path | None = None,
    origins: Sequence[str] = (),
) -> None:
    """Serve the models in a folder until a SIGTERM or SIGINT; requests that run are finished then.

    On a SIGHUP the certificate and its key are read anew, for the connections to come; without them it stops, too.

    folder: of the store.
    host: address or name to listen on.
    port: to listen on; 0 for a free one.
    limits: on requests; None for the defaults.
    certificate: PEM file with the certificate for TLS; None for plain HTTP, which is for loopback alone.
    key: PEM file with its key.
    tls_elsewhere: whether something in front of the service ends TLS, so that plain HTTP may be served elsewhere too.
    trusted_proxies: addresses or networks of proxies, whose headers say where a request comes from.
    proxy_header: the header in which they say it, of `fhenn.service.addresses.PROXY_HEADERS`.
    add: (name, model, plan) of models to add to the store before they are served, the last two as messages.
    security_log: the file of the security log; None for `security.log` in the folder.
    on_start: called with the address of the service once it accepts requests.
    cluster: where the workers are to be; None for this machine.
    page: folder of the built page for browsers (`fhenn.service.page`); None for none.
    origins: of pages elsewhere that browsers let use the service, as `https://page.example.org`; none for this alone.

    Raises ServiceRefused, also where the system is not POSIX, StoreLocked where another service uses the folder,
    StoreUnsafe, ParameterError, FhennError.
    """
    require_posix()
    proxies = networks_of(trusted_proxies)
    if (certificate is None) != (key is None):
        raise ServiceRefused("TLS needs a certificate and its key.", "Give --ssl-certfile and --ssl-keyfile.")
    if certificate is None and not tls_elsewhere and not is_loopback(host):
        raise ServiceRefused(
            f"on {host}, plain HTTP would show tokens to whoever reads the network.",
            "Give --ssl-certfile and --ssl-keyfile, or --tls-elsewhere where something in front of it ends TLS.",
        )
    if certificate is not None and key is not None:
        require_pair(certificate, key)
    shown_page = None if page is None else Page.read(page)
    allowed = [origin_of(each) for each in origins]
    log_as_json()
    limits = fit_descriptors(limits or Limits())
    if shown_page is not None:
        log(logging.INFO, "page", sha256=shown_page.sha256, files=len(shown_page.files))
    store = Store(folder, limits.keys_per_owner, limits.bytes_per_owner)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # with the protocol named, asyncio switches Nagle's algorithm off, which costs 40 ms an answer
        with Listener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as error:
                text = f"cannot listen on {host}, port {port} ({error.strerror or error})."
                raise ServiceRefused(
                    text, "Choose another address with --host and --port; --port 0 finds a free port."
                ) from error
            for name, model, plan in add:
                version = store.models.add(name, model, plan)
                append(security_log or folder / SECURITY_LOG, "model", "added", model=name, version=version)
            app, service = create_app(store, limits, proxies, security_log, proxy_header, cluster, shown_page, allowed)
            if not service.catalogue:
                raise ServiceRefused(f"there is no model in {folder}.", "Add one: fhenn model add NAME MODEL PLAN.")
            config = uvicorn.Config(
                app,
                http=protocol_of(limits, service.connections),
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=int(max(1, limits.idle)),
                timeout_graceful_shutdown=int(max(1, limits.drain)),
                h11_max_incomplete_event_size=16 << 10,
                backlog=1024,  # what waits there costs nothing, and who is not taken in is told so
                loop="asyncio",  # uvloop would not ask `Listener.accept`
                proxy_headers=False,  # uvicorn believes loopback; see `fhenn.service.addresses`
                ssl_certfile=certificate and str(certificate),
                ssl_keyfile=key and str(key),
            )
            listener.connections, listener.plain = service.connections, certificate is None
            scheme = "http" if certificate is None else "https"
            shown = f"[{host}]" if ":" in host else host
            address = f"{scheme}://{shown}:{listener.getsockname()[1]}"

            def started() -> None:
                fields = {"store": str(folder.resolve()), "address": address, "workers": limits.workers}
                log(logging.INFO, "service started", version=__version__, **fields)
                on_start(address)

            server = _Server(config, started)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # uvicorn raises the signal that stopped it again, for the handler of before: a stop is no failure
                signal.signal(number, lambda number, frame: None)
            server.run(sockets=[listener])
    finally:
        store.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it accepts requests, and reads its certificate anew on a SIGHUP."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
            self._on_start()

    def _hang_up(self) -> None:
        """On a SIGHUP, read the certificate anew for the connections to come; without TLS, stop as on a SIGTERM."""
        context, certificate, key = self.config.ssl, self.config.ssl_certfile, self.config.ssl_keyfile
        if context is None or certificate is None or key is None:
            log(logging.INFO, "stopping on SIGHUP")
            self.should_exit = True
            return
        try:
            require_pair(Path(certificate), Path(key), reload=True)  # one that is refused leaves the context as it was
            context.load_cert_chain(certificate, key)
        except (ServiceRefused, OSError) as error:
            log(logging.ERROR, "certificate of before is kept", reason=str(error))
        else:
            log(logging.INFO, "certificate read anew on SIGHUP", certificate=str(certificate))
