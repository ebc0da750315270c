"""What clients are shown: the shapes of the answers, stable and in the schema. Objects are named by uid.

Shapes read rows, or the small values that `shown.py` makes of rows and the planner's answers.
"""

from .courses import (
    AssessmentOutput,
    CheckedInOutput,
    CheckInOutput,
    ConsentOutput,
    CourseBrief,
    CourseOutput,
    HoldLifted,
    OverrideRow,
    SessionChanged,
    SessionOutput,
    VisitsFreed,
)
from .fields import Output, page_of
from .people import (
    AnswerOutput,
    AreaOutput,
    ComplicationOutput,
    FoundPatients,
    MeOutput,
    PatientOutput,
    QuestionOutput,
    SignInOutput,
    SiteOutput,
)
from .plans import BookedOutput, PlanOutput
from .problems import ProblemOutput
from .proposals import ProposalApplied, ProposalOutput, Replanned, VisitBooked, VisitChanged
from .protocols import ProtocolOutput, WholeProtocolOutput
from .versions import VersionPreviewOutput
from .visits import FreeTimesOutput, MyDayOutput, SiteDayOutput, VisitOutput, WindowOutput
from .waiting import OfferOutput, WaitingOutput
from .worklist import WorklistOutput

__all__ = [
    "AnswerOutput",
    "AreaOutput",
    "AssessmentOutput",
    "BookedOutput",
    "CheckInOutput",
    "CheckedInOutput",
    "ComplicationOutput",
    "ConsentOutput",
    "CourseBrief",
    "CourseOutput",
    "FoundPatients",
    "FreeTimesOutput",
    "HoldLifted",
    "MeOutput",
    "MyDayOutput",
    "OfferOutput",
    "Output",
    "OverrideRow",
    "PatientOutput",
    "PlanOutput",
    "ProblemOutput",
    "ProposalApplied",
    "ProposalOutput",
    "ProtocolOutput",
    "QuestionOutput",
    "Replanned",
    "SessionChanged",
    "SessionOutput",
    "SignInOutput",
    "SiteDayOutput",
    "SiteOutput",
    "VersionPreviewOutput",
    "VisitBooked",
    "VisitChanged",
    "VisitOutput",
    "VisitsFreed",
    "WaitingOutput",
    "WholeProtocolOutput",
    "WindowOutput",
    "WorklistOutput",
    "page_of",
]
