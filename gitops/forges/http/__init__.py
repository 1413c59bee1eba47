"""Real forges over HTTP: adapters speak, one line sends, one forge does the rest."""

from gitops.forges.http.calls import (
    FINE,
    Call,
    Reply,
    Talk,
    by_link,
    collect,
    get,
)
from gitops.forges.http.dialect import Dialect, Remark
from gitops.forges.http.faults import one_line
from gitops.forges.http.forge import HttpForge
from gitops.forges.http.line import Authority, Line, Token
from gitops.forges.http.moments import moment
from gitops.forges.http.rates import RateGate

__all__ = [
    "FINE",
    "Authority",
    "Call",
    "Dialect",
    "HttpForge",
    "Line",
    "RateGate",
    "Remark",
    "Reply",
    "Talk",
    "Token",
    "by_link",
    "collect",
    "get",
    "moment",
    "one_line",
]
