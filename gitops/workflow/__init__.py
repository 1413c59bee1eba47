"""The one place that knows the order of the steps.

    read tree -> plan change -> edit -> render -> validate -> commit -> pull request

Every function takes a Workplace and `now`, and may be called again after a crash at
any point: it looks, acts and records (R1), and the second run finds the first one's
work. One caller at a time per repository; the service's lock sees to that.
"""

from __future__ import annotations

from gitops.workflow.attend import announce, give_up, source_of, tell, theirs
from gitops.workflow.automatic import Attempt, Votes, merge_automatically
from gitops.workflow.check import check_path, check_repository
from gitops.workflow.examine import Examination, examine
from gitops.workflow.finish import Held, adopt, approve, close, merge, moved
from gitops.workflow.history import PastRevision, arrived_at, revisions_of
from gitops.workflow.inspect import (
    Inspection,
    between,
    inspect,
    inspect_pull_request,
)
from gitops.workflow.opinion import Opinion, opinion_of
from gitops.workflow.place import Progress, Workplace, World, look
from gitops.workflow.propose import Planner, accept, propose, record
from gitops.workflow.prospect import NotThere, Prospect, prepare
from gitops.workflow.settle import Tended, resume, resuming, settle, settling
from gitops.workflow.survey import Standing, survey
from gitops.workflow.tend import tend
from gitops.workflow.upgrade import plan_upgrade

__all__ = [
    "Attempt",
    "Examination",
    "Held",
    "Inspection",
    "NotThere",
    "Opinion",
    "PastRevision",
    "Planner",
    "Progress",
    "Prospect",
    "Standing",
    "Tended",
    "Votes",
    "Workplace",
    "World",
    "accept",
    "adopt",
    "announce",
    "approve",
    "arrived_at",
    "between",
    "check_path",
    "check_repository",
    "close",
    "examine",
    "give_up",
    "inspect",
    "inspect_pull_request",
    "look",
    "merge",
    "merge_automatically",
    "moved",
    "opinion_of",
    "plan_upgrade",
    "prepare",
    "propose",
    "record",
    "resume",
    "resuming",
    "revisions_of",
    "settle",
    "settling",
    "source_of",
    "survey",
    "tell",
    "tend",
    "theirs",
]
