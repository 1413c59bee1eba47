"""PLAN: what a request means for a tree, before a file is touched. Pure.

Promises a Plan that says what is wanted and what a reviewer must know, or a refusal
with its reason. A plan without changes means that the base branch says it already.
It looks at trees, rules and a given moment; never at a clock, a network or a file.

    guards     holds and the pause switch
    bump       another revision, for one stack or an environment
    existence  what a registry said of an image, put into the plan
    updates    which new release may come by itself
    carry      a revision from one environment to the next
    companions what travels with a revision
    windows    when windows and freezes let something pass
    timing     which run of a schedule is due, and how many were missed
    gates      when a promotion may be opened, and if not, until when
    faring     how a revision fares where it came to
    decisions  whether a stack goes on to the next environment now
    forecast   what the schedules will open in the next days
    configure  keys of config.env
    seal       the file of encrypted keys
    rollback   back to a revision that ran before
"""

from gitops.fleet import NO_HEALTH
from gitops.promotion.bump import plan_bump, plan_bumps
from gitops.promotion.carry import plan_promotion
from gitops.promotion.configure import plan_config
from gitops.promotion.decisions import Decision, Promote, Rest, Wait, Way, decide
from gitops.promotion.existence import Prove, unproved
from gitops.promotion.faring import fared, is_way_back, last_healthy, runs_another
from gitops.promotion.forecast import Expectation, Opening, forecast
from gitops.promotion.gates import (
    Gate,
    is_frozen,
    opening_gates,
    tells_closed_gate,
)
from gitops.promotion.guards import spell_pin
from gitops.promotion.rollback import pin_of, plan_rollback
from gitops.promotion.seal import plan_secrets
from gitops.promotion.timing import Due, due

__all__ = [
    "NO_HEALTH",
    "Decision",
    "Due",
    "Expectation",
    "Gate",
    "Opening",
    "Promote",
    "Prove",
    "Rest",
    "Wait",
    "Way",
    "decide",
    "due",
    "fared",
    "forecast",
    "is_frozen",
    "is_way_back",
    "last_healthy",
    "opening_gates",
    "pin_of",
    "plan_bump",
    "plan_bumps",
    "plan_config",
    "plan_promotion",
    "plan_rollback",
    "plan_secrets",
    "runs_another",
    "spell_pin",
    "tells_closed_gate",
    "unproved",
]
