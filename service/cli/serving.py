"""serve: the service, in the foreground."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import closing
from typing import Annotated

import typer

from gitops.errors import InputError
from service.cli.options import AsJson, Data


def serve(
    *,
    host: Annotated[
        str | None, typer.Option("--host", show_default="127.0.0.1")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", show_default="8080")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Serve the pages, the API and clones until interrupted.

    A second service on the same data folder refuses to start.
    """
    import uvicorn

    from gitops.git import attend_git
    from service import settings as settings_module
    from service.app import create_app
    from service.cli.output import Output, remark
    from service.clock import utc_now
    from service.locks import exclusive
    from service.logs import configure
    from service.notify import notifying
    from service.store import Store

    settings = settings_module.load(data=data, host=host, port=port)
    configure(settings.log_level)
    lock = settings.data / "locks" / "serve"
    # uvicorn ends in good order, then raises the signal again: that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        exclusive(lock, wait=0, what="the data folder"),
        closing(Store(settings.database, settings.data, utc_now)) as store,
        _listening(settings.host, settings.port) as listening,
    ):
        app = create_app(settings, store)
        meter = app.state.meter
        attend_git(meter.git_command)
        config = uvicorn.Config(
            app,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=20,
        )
        address = _address(settings.host, listening.getsockname()[1])
        out = Output(as_json=as_json)
        out.document({"url": address})
        sys.stdout.flush()  # whoever waits for the address reads it now
        remark(f"Serving {address} (stop with Ctrl-C)")
        with notifying(settings, store, meter):
            uvicorn.Server(config).run(sockets=[listening])


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
