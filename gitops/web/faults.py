"""What goes wrong on the wire, in our words: foreign ones may quote what was sent."""

from __future__ import annotations

import ssl
from typing import Final

import httpcore
import httpx

from gitops.errors import WebError, WebUnavailableError

FOREIGN: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpx.HTTPError,
    httpx.InvalidURL,
    ssl.SSLError,
)


def told(error: Exception, host: str) -> WebError:
    """Make our error of a foreign one."""
    match error:
        case httpcore.ConnectError() | ssl.SSLError():
            return _not_connected(error, host)
        case httpcore.ConnectTimeout():
            return WebUnavailableError(f"{host}: no connection in time", sent=False)
        case httpcore.TimeoutException():
            return WebUnavailableError(f"{host}: no whole answer in time", sent=True)
        case httpcore.NetworkError() | httpcore.RemoteProtocolError():
            return WebUnavailableError(
                f"{host}: broke off, or does not speak HTTP", sent=True
            )
        case _:
            return WebError(f"{host}: the request cannot be sent")


def _not_connected(error: Exception, host: str) -> WebError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return WebError(
            f"{host}: its certificate is not believed: {cause.verify_message[:120]}",
            hint="name the authority's PEM file as `ca`",
        )
    if isinstance(cause, ssl.SSLError):
        return WebUnavailableError(f"{host}: no TLS with it", sent=False)
    return WebUnavailableError(
        f"{host}: no connection",
        sent=False,
        hint="is it running, and is the port right?",
    )
