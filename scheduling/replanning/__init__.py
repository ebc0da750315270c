"""What must move when something happened: examine, propose, apply. The only writer of proposals.

Appointments still inside their windows stay; moves are a proposal that a person applies. What happens to one course is
examined in the act that changes it. What touches a whole site (an absence, a closure, changed hours) is written down in
its act and worked out by a job, for all courses together.
"""

from .applying import NotInProposal, ProposalOvertaken, apply, discard
from .examining import NothingToReplan, examine, replan_course, withdraw
from .judging import Judged, judge
from .together import (
    LEASE,
    MOST_TRIES,
    SECONDS,
    ask_for,
    examine_touched,
    stop,
    work_out_again,
    work_out_next,
)

__all__ = [
    "LEASE",
    "MOST_TRIES",
    "SECONDS",
    "Judged",
    "NotInProposal",
    "NothingToReplan",
    "ProposalOvertaken",
    "apply",
    "ask_for",
    "discard",
    "examine",
    "examine_touched",
    "judge",
    "replan_course",
    "stop",
    "withdraw",
    "work_out_again",
    "work_out_next",
]
