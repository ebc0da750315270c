"""Rows of CDC's public test cases for clinical decision support of immunization (CDSi), as facts with their ids.

Transcribed from "healthy childhood and adult test cases" v4.46 as the project fhir-fli/cicada publishes them in the
files test_doses.dart and test_forecasts.dart (each release moves the dates; these count back from 5 August 2026,
historic products apart). `SERIES` is CDC's supporting data of the two standard series, 4.61, from the same project. Row
2013-0270 tells rolling forward from clamping: born on 31 May, 6 months old on 1 December.

Of hepatitis B, left out are the rows that CDC answers from another series than the three doses: the two-dose one
(2013-0208, -0210 to -0212) and the one with four (2013-0202, -0205, -0222, -0230, -0238, -0239, -0251, -0258, -0262).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from scheduling.planner.facts import Reference, Step
from tests.planner.build import spacing, step

BIRTH = Reference.EVENT, "birth"

# A minimum age is a spacing from an event like any other. Where CDC recommends by age and by interval, age decides
# (FORECASTDT-2, -3), so only the age says it here.
SERIES: dict[str, tuple[Step, ...]] = {
    "hepatitis A": (
        step(
            "dose_1",
            spacing(
                *BIRTH,
                floor="12 months - 4 days",
                minimum="12 months",
                target="12 months",
                overdue="24 months + 4 weeks",
            ),
        ),
        step(
            "dose_2",
            spacing(*BIRTH, floor="18 months - 4 days", minimum="18 months", target="18 months"),
            spacing(
                Reference.PREVIOUS,
                floor="6 months - 4 days",
                minimum="6 months",
                target="6 months",
                overdue="19 months + 4 weeks",
            ),
        ),
    ),
    "hepatitis B": (
        step("dose_1", spacing(*BIRTH, target="0 days", overdue="4 weeks")),
        step(
            "dose_2",
            spacing(
                *BIRTH, floor="4 weeks - 4 days", minimum="4 weeks", target="1 month", overdue="3 months + 4 weeks"
            ),
            spacing(Reference.PREVIOUS, floor="4 weeks - 4 days", minimum="4 weeks"),
        ),
        step(
            "dose_3",
            spacing(
                *BIRTH,
                floor="24 weeks - 4 days",
                minimum="24 weeks",
                target="6 months",
                overdue="19 months + 4 weeks",
            ),
            spacing(Reference.PREVIOUS, floor="8 weeks - 4 days", minimum="8 weeks"),
            spacing(Reference.STEP, "dose_1", floor="16 weeks - 4 days", minimum="16 weeks"),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Dose:
    on: date
    is_valid: bool = True
    too: str = ""  # why not: too "soon" after the one before, or the patient too "young"


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    vaccine: str
    born_on: date
    doses: tuple[Dose, ...]
    # the published dates of the dose that comes next; None when the series is complete
    earliest: date | None = None
    recommended: date | None = None
    past_due: date | None = None

    @property
    def is_complete(self) -> bool:
        return self.earliest is None


# id; born on; doses, with "soon" (interval too short) or "young" (age) where not valid; earliest, recommended, past due
HEPATITIS_A = """
2013-0186  2024-12-01  2026-02-01 2026-08-01        complete
2013-0188  2025-08-05  2026-08-05                   2027-02-05 2027-02-05 2028-04-01
2013-0189  2025-08-10  2026-08-05:young             2026-08-10 2026-08-10 2027-09-06
2013-0190  2025-08-09  2026-08-05                   2027-02-09 2027-02-09 2028-04-01
2013-0191  2025-08-05  2026-08-05                   2027-02-05 2027-02-05 2028-04-01
2013-0192  2025-02-10  2026-02-10 2026-08-05:soon   2027-02-05 2027-02-05 2028-04-01
2013-0193  2022-02-09  2026-02-09 2026-08-05        complete
2013-0194  2025-02-05  2026-02-05 2026-08-05        complete
2013-0196  2024-12-05  2026-02-05 2026-07-31:soon   2027-01-31 2027-01-31 2028-03-28
2013-0197  2024-12-05  2026-02-05 2026-08-01        complete
"""
HEPATITIS_B = """
2013-0199  2026-06-13  2026-07-13 2026-08-05:soon             2026-09-02 2026-09-02 2026-10-10
2013-0200  2026-07-12  2026-07-12 2026-08-05                  2026-12-27 2027-01-12 2028-03-10
2013-0201  2026-07-08  2026-07-08 2026-08-05                  2026-12-23 2027-01-08 2028-03-06
2013-0203  2025-12-25  2026-01-12 2026-06-12 2026-08-03       complete
2013-0204  2025-12-05  2026-02-05 2026-06-05 2026-07-31       complete
2013-0206  2026-01-20  2026-04-19 2026-06-12 2026-08-05       complete
2013-0207  2026-01-13  2026-04-15 2026-05-31 2026-08-05       complete
2013-0209  2026-08-05  2026-08-05                             2026-09-02 2026-09-05 2026-12-02
2013-0213  2004-02-04  2004-02-04 2004-03-13 2004-08-04       complete
2013-0216  2006-02-02  2006-02-02 2006-03-02 2006-08-02       complete
2013-0219  2006-05-05  2006-05-05 2006-10-05 2006-11-26       complete
2013-0220  2026-08-04  2026-08-05                             2026-09-02 2026-09-04 2026-12-01
2013-0221  2006-06-06  2006-06-06 2006-11-06 2007-01-01       complete
2013-0223  2006-07-07  2006-10-18 2006-12-09 2007-02-03       complete
2013-0224  2006-08-08  2006-10-31 2006-12-22 2007-02-20       complete
2013-0225  2006-10-10  2006-10-10                             2006-11-07 2006-11-10 2007-02-06
2013-0227  2026-07-13  2026-07-13 2026-08-05:young            2026-09-02 2026-09-02 2026-11-09
2013-0228  2026-07-12  2026-07-12 2026-08-05                  2026-12-27 2027-01-12 2028-03-10
2013-0229  2026-07-08  2026-07-08 2026-08-05                  2026-12-23 2027-01-08 2028-03-06
2013-0231  2026-02-22  2026-02-22 2026-03-22 2026-08-05       complete
2013-0232  2026-02-18  2026-02-18 2026-04-18 2026-08-05       complete
2013-0234  2019-08-22  2022-08-06 2026-08-05                  2026-09-30 2026-09-30 2026-09-30
2013-0235  2019-08-05  2019-11-05 2026-08-05                  2026-09-30 2026-09-30 2026-09-30
2013-0236  2019-08-05  2020-09-05 2026-08-05                  2026-09-30 2026-09-30 2026-09-30
2013-0237  2019-07-08  2026-07-08 2026-08-05                  2026-10-28 2026-10-28 2026-10-28
2013-0241  2026-02-22  2026-04-05 2026-06-05 2026-08-05       complete
2013-0244  2026-06-29  2026-08-05                             2026-09-02 2026-09-02 2026-10-26
2013-0255  2026-06-28  2026-08-05                             2026-09-02 2026-09-02 2026-10-25
2013-0256  2026-05-13  2026-07-13 2026-08-05:soon             2026-09-02 2026-09-02 2026-09-09
2013-0257  2026-05-12  2026-07-12 2026-08-05                  2026-11-01 2026-11-12 2028-01-08
2013-0259  2026-02-18  2026-04-14 2026-06-14 2026-08-05       complete
2013-0264  2026-04-05  2026-06-05 2026-06-24:soon 2026-08-05  2026-09-30 2026-10-05 2027-12-02
2013-0266  2026-06-24  2026-08-05                             2026-09-02 2026-09-02 2026-10-21
2013-0267  2019-08-21  2026-08-05                             2026-09-02 2026-09-02 2026-09-02
2013-0268  2019-08-05  2026-08-05                             2026-09-02 2026-09-02 2026-09-02
2013-0269  2026-06-01  2026-07-09 2026-08-05                  2026-11-16 2026-12-01 2028-01-28
2013-0270  2026-05-31  2026-07-01 2026-08-05                  2026-11-15 2026-12-01 2028-01-27
2013-0271  2026-05-27  2026-06-27 2026-08-05                  2026-11-11 2026-11-27 2028-01-23
"""


def _rows(vaccine: str, table: str) -> list[Row]:
    rows = []
    for line in table.split("\n")[1:-1]:
        row_id, born, doses, *forecast = [part.strip() for part in line.split("  ") if part.strip()]
        expected = [] if forecast == ["complete"] else [date.fromisoformat(on) for on in forecast[0].split()]
        given = [dose.partition(":") for dose in doses.split()]
        rows.append(
            Row(
                row_id,
                vaccine,
                date.fromisoformat(born),
                tuple(Dose(date.fromisoformat(on), not too, too) for on, _, too in given),
                *expected,
            )
        )
    return rows


ROWS = _rows("hepatitis A", HEPATITIS_A) + _rows("hepatitis B", HEPATITIS_B)
