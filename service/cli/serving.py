"""serve: the service, in the foreground."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import closing
from typing import Annotated, Final

import typer

from gitops.errors import InputError
from service.cli.options import AsJson, Data

# Together less than the 30 s that an orchestrator gives a process by default.
_REQUESTS_END_S: Final = 8
_PASSES_END_S: Final = 15


def serve(
    *,
    host: Annotated[
        str | None, typer.Option("--host", show_default="127.0.0.1")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", show_default="8080")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Serve the pages, the API and clones, and make the passes, until interrupted.

    A second service on the same data folder refuses to start.
    """
    import uvicorn

    from gitops.git import attend_git
    from gitops.web import Web
    from service import settings as settings_module
    from service.app import create_app
    from service.cli.output import Output, remark
    from service.clock import utc_now, wait_s
    from service.forges import Forges
    from service.locks import exclusive
    from service.logs import configured
    from service.meter import Meter
    from service.notify import notifying
    from service.reconcile import Reconciler, observer_of, updater_of
    from service.registries import Registries
    from service.scheduler import Clockwork
    from service.server import Server
    from service.store import Store

    settings = settings_module.load(data=data, host=host, port=port)
    settings.check()
    lock = settings.data / "locks" / "serve"
    meter = Meter()
    attend_git(meter.git_command)
    # uvicorn ends in good order, then raises the signal again: that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        configured(settings.log_level),
        exclusive(lock, wait=0, what="the data folder"),
        closing(Store(settings.database, settings.data, utc_now)) as store,
        Web(wait=wait_s) as web,
        Forges(clock=utc_now, web=web) as forges,
        notifying(settings, store, meter),
        _listening(settings.host, settings.port) as listening,
    ):
        registries = Registries(settings, web, utc_now)
        reconciler = Reconciler(
            settings,
            store,
            utc_now,
            observer=observer_of(settings, web),
            updater=updater_of(registries),
            meter=meter,
            forges=forges,
        )
        clockwork = Clockwork(reconciler, interval_s=settings.interval_s)
        app = create_app(
            settings,
            store,
            clockwork=clockwork,
            meter=meter,
            forges=forges,
            registries=registries,
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_REQUESTS_END_S,
        )
        address = _address(settings.host, listening.getsockname()[1])
        out = Output(as_json=as_json)
        out.document({"url": address})
        sys.stdout.flush()  # whoever waits for the address reads it now
        remark(f"Serving {address} (stop with Ctrl-C)")
        clockwork.start()
        try:
            Server(config, at_end=app.state.events.close).run(sockets=[listening])
        finally:
            if not clockwork.stop(_PASSES_END_S):
                # Threads cannot be ended. What they do is finished by the next start.
                remark("Stopped in the middle of a pass; the next start goes on.")
                os._exit(0)


def _listening(host: str, port: int) -> socket.socket:
    """Listen, so that the address is right when it is told.

    Raises:
        InputError: nobody can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host name"
        raise InputError(
            f"cannot listen on {_address(host, port)}: {reason}",
            hint="does another program use the port? choose one with --port; "
            "0 takes any that is free",
        ) from error


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
