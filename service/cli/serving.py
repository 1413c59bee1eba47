"""serve: the service, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

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

    from service import settings as settings_module
    from service.app import create_app
    from service.cli.output import Output, remark
    from service.clock import utc_now
    from service.locks import exclusive
    from service.logs import configure
    from service.store import Store

    settings = settings_module.load(data=data, host=host, port=port)
    configure(settings.log_level)
    lock = settings.data / "locks" / "serve"
    with exclusive(lock, wait=0, what="the data folder"):
        store = Store(settings.database, settings.data, utc_now)
        try:
            address = f"http://{settings.host}:{settings.port}"
            Output(as_json=as_json).document({"url": address})
            remark(f"Serving {address} (stop with Ctrl-C)")
            uvicorn.run(
                create_app(settings, store),
                host=settings.host,
                port=settings.port,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=20,
            )
        finally:
            store.close()
