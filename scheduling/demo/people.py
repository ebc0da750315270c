"""The demo's patients: families too, of all ages, registered by the front desk."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from random import Random

from clinic.models import Site, User
from patients import records
from patients.models import Patient
from patients.records import GuardianDetails, IdentifierDetails, PatientDetails, PhoneDetails

from .names import ACCESS_NEEDS, SINGLE_NAMES, TONGUES, Tongue

CHART = "urn:cadence:demo:chart"
# Letters that are no letter with an accent, for e-mail addresses.
PLAIN_LETTERS = str.maketrans({"ł": "l", "ß": "ss", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "æ": "ae"})
# What the mails are written in, and what most people here speak.
COMMON_AT = {"GB": "en", "DE": "de"}
SHARE = {"common": 0.45, "no_address": 0.06, "no_mail": 0.05, "interpreter": 0.35, "access": 0.05, "family": 0.11}

# Numbers that no telephone has, for films and plays: Ofcom's, the Bundesnetzagentur's, NANPA's, ARCEP's and PTS's.
LANDLINES = {"GB": "+442079460", "DE": "+493023125"}
ELSEWHERE = ("+1212555010{}", "+3319900123{}", "+4670174061{}", "+44161496012{}", "+4917139200{}{}")


class Crowd:
    """People, one after another, of whom no two are the same; the same people for the same random numbers."""

    def __init__(self, sites: list[Site], today: date, random: Random) -> None:
        self.sites, self.today, self.random = sites, today, random
        self._numbers = count(1)
        self._addresses: set[str] = set()
        self._taken: set[tuple[str, str]] = set()
        self._names = self._all_names()

    def details(self, how_many: int) -> Iterator[PatientDetails]:
        """Yield what the front desk types for so many people, families one member after another."""
        left = how_many
        while left > 0:
            tongue, given, family = next(self._names)
            household = [self._grown_up(tongue, given, family)]
            if len(tongue.given) > 1 and not tongue.shown_whole and self.random.random() < SHARE["family"]:
                household += self._relatives(household[0], tongue)
            yield from household[:left]
            left -= len(household)

    # --- one person ---------------------------------------------------------------------------------------------------

    def _all_names(self) -> Iterator[tuple[Tongue, str, str]]:
        """Yield tongue, given and family name: every pair once, tongues mixed; then again, with a middle letter."""
        pairs = [(tongue, given, family) for tongue in TONGUES for given in tongue.given for family in tongue.family]
        pairs += [(Tongue(code, (), ()), "", name) for code, name in SINGLE_NAMES]
        self.random.shuffle(pairs)
        for initial in ("", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
            for tongue, first_name, family in pairs:
                given = f"{first_name} {initial}." if initial else first_name
                if (given, family) not in self._taken:  # by a relative of somebody before
                    self._taken.add((given, family))
                    yield tongue, given, family

    def _grown_up(self, tongue: Tongue, given: str, family: str) -> PatientDetails:
        if tongue.shown_whole:  # the family's name comes first and no space parts them: the whole is one field
            given, family = "", f"{family}{given}"
        return self._person(tongue.code, given, family, self._born(18, 88), self.random.choice(self.sites))

    def _person(self, tongue: str, given: str, family: str, born_on: date, site: Site) -> PatientDetails:
        random, number = self.random, next(self._numbers)
        common = COMMON_AT[site.country]
        speaks_common = tongue == common or random.random() < SHARE["common"]
        email = "" if random.random() < SHARE["no_address"] else self._address(given, family, number)
        return PatientDetails(
            given_name=given,
            family_name=family,
            born_on=born_on,
            site=site,
            language=common if speaks_common else tongue,
            email=email,
            agrees_to_mail=bool(email) and random.random() > SHARE["no_mail"],
            interpreter_language="" if speaks_common or random.random() > SHARE["interpreter"] else tongue,
            access_needs=random.choice(ACCESS_NEEDS) if random.random() < SHARE["access"] else "",
            identifiers=(IdentifierDetails(CHART, f"H-{number:05}"),),
            phones=self._phones(site),
        )

    def _born(self, youngest: int, oldest: int) -> date:
        days = self.random.triangular(youngest * 365.25, oldest * 365.25, min(42, (youngest + oldest) / 2) * 365.25)
        return self.today - timedelta(days=int(days) + 1)

    def _address(self, given: str, family: str, number: int) -> str:
        """Return an address at a domain that is nobody's; people whose letters are not Latin get their number."""
        parts = [_plain(given).partition(" ")[0], _plain(family).replace(" ", "")]
        local = ".".join(part for part in parts if part) or f"patient{number}"
        if local in self._addresses:
            local = f"{local}{number}"
        self._addresses.add(local)
        return f"{local}@{self.random.choice(('example.org', 'example.com'))}"

    def _phones(self, site: Site) -> tuple[PhoneDetails, ...]:
        digit = self.random.randrange
        if self.random.random() < 0.75:
            number = f"{LANDLINES[site.country]}{digit(1000):03}"
        else:
            number = self.random.choice(ELSEWHERE).format(digit(10), digit(10))
        first = PhoneDetails(number, self.random.choice(("mobile", "home", "work")), is_preferred=True)
        if self.random.random() > 0.1:
            return (first,)
        return (first, PhoneDetails(f"+1212555019{digit(10)}", "daughter"))

    # --- families -----------------------------------------------------------------------------------------------------

    def _relatives(self, first: PatientDetails, tongue: Tongue) -> list[PatientDetails]:
        """Return who lives with a patient and reads the same mail: perhaps a partner, and children."""
        guardian = GuardianDetails(
            f"{first.given_name} {first.family_name}", "parent", first.email, first.phones[0].number
        )
        names = [given for given in tongue.given if (given, first.family_name) not in self._taken]
        names = self.random.sample(names, min(len(names), self.random.randint(1, 4)))
        found = []
        for number, given in enumerate(names):
            is_partner = number == 0 and self.random.random() < 0.5
            born_on = self._born(24, 70) if is_partner else self._born(1, 17)
            self._taken.add((given, first.family_name))
            one = self._person(tongue.code, given, first.family_name, born_on, first.site or self.sites[0])
            one = replace(one, email=first.email, agrees_to_mail=first.agrees_to_mail, phones=first.phones)
            found.append(one if is_partner else replace(one, guardians=(guardian,)))
        return found


def register(
    how_many: int, sites: list[Site], *, random: Random, by: User, since: datetime, now: datetime
) -> list[Patient]:
    """Register so many patients, some every week, and return them in that order."""
    crowd = Crowd(sites, now.date(), random)
    pause = (now - since) / (how_many + 1)
    return [
        records.register(details, by=by, now=since + pause * at)
        for at, details in enumerate(crowd.details(how_many), start=1)
    ]


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold().translate(PLAIN_LETTERS))
    return "".join(letter for letter in decomposed if letter.isascii() and (letter.isalnum() or letter == " "))
