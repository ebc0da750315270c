"""The forms of our own pages. They read what was typed; whether it may be is for the acts."""

from .base import ActForm, ConfirmForm, DateField, Reason, ReasonForm, TimeField
from .courses import EndForm, EventForm, HoldForm, LiftForm, StartForm, WishesForm
from .health import (
    AnswersForm,
    AssessmentForm,
    CheckInForm,
    ConsentForm,
    DeathForm,
    OverrideForm,
    SignForm,
    StrikeForm,
    WithdrawForm,
)
from .sessions import (
    AddSessionForm,
    CancelForm,
    ClearForm,
    CorrectForm,
    LateForm,
    OutcomeForm,
    PerformForm,
    SkipForm,
    WaitForm,
)

__all__ = [
    "ActForm",
    "AddSessionForm",
    "AnswersForm",
    "AssessmentForm",
    "CancelForm",
    "CheckInForm",
    "ClearForm",
    "ConfirmForm",
    "ConsentForm",
    "CorrectForm",
    "DateField",
    "DeathForm",
    "EndForm",
    "EventForm",
    "HoldForm",
    "LateForm",
    "LiftForm",
    "OutcomeForm",
    "OverrideForm",
    "PerformForm",
    "Reason",
    "ReasonForm",
    "SignForm",
    "SkipForm",
    "StartForm",
    "StrikeForm",
    "TimeField",
    "WaitForm",
    "WishesForm",
    "WithdrawForm",
]
