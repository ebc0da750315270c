"""Who may call what: each action of the API and the roles that may take it. The acts ask again."""

from __future__ import annotations

from clinic.models import Role
from clinic.rights import CLINICAL, FRONT_DESK, MANAGING, PRESCRIBING

EVERYONE = tuple(Role)

RIGHTS: dict[str, tuple[Role, ...]] = {
    "sign_out": EVERYONE,
    "see_own_account": EVERYONE,
    "see_protocols": EVERYONE,  # protocols, questions, areas, complications, sites: nothing about a patient
    "see_patients": FRONT_DESK,  # patients, courses, visits, proposals, the worklist
    "see_own_day": FRONT_DESK,
    "register_patient": FRONT_DESK,
    "record_answer": FRONT_DESK,
    "start_course": FRONT_DESK,
    "plan": FRONT_DESK,
    "book": FRONT_DESK,  # book, confirm, move, cancel, arrive, miss
    "apply_proposal": FRONT_DESK,
    "sign_consent": FRONT_DESK,  # sign, withdraw
    "hold": FRONT_DESK,  # each hold names the role that lifts it
    "end_course": FRONT_DESK,  # a patient who changed their mind tells the front desk
    "assess": CLINICAL,
    "strike": CLINICAL,  # an answer or assessment recorded in error
    "record_consent": CLINICAL,
    "record_event": CLINICAL,
    "perform": CLINICAL,  # perform, correct when, record an outcome
    "change_sessions": CLINICAL,  # add, skip, decide on late ones
    "move_version": (*PRESCRIBING, *MANAGING),
    "clear_review": CLINICAL,
    "review_answer": CLINICAL,
    "see_overrides": FRONT_DESK,
    "override": PRESCRIBING,  # give one, revoke one
}
