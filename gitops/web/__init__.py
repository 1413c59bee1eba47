"""The one HTTP client for forges, registries and health (R11).

It knows no service's API. It decides what may be reached, keeps every limit, and hands
back what was answered, whatever its status; what that means is the caller's business.
"""

from gitops.web.addresses import Allowed, Network, host_name, host_pattern, network
from gitops.web.answers import Answer
from gitops.web.client import Resolve, Web, look_up
from gitops.web.places import Place, place_of, same_origin

__all__ = [
    "Allowed",
    "Answer",
    "Network",
    "Place",
    "Resolve",
    "Web",
    "host_name",
    "host_pattern",
    "look_up",
    "network",
    "place_of",
    "same_origin",
]
