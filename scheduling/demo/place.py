"""The demo's two sites: who works there, what there is, when it is open, and what is treated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from clinic import accounts, localtime
from clinic.models import Role, Site, User
from scheduling import absences, closures, outbox, protocols, roster, staffing
from scheduling.models import Closure, ProtocolVersion, Resource
from scheduling.staffing import Grant, ResourceDetails, WeeklyHours

LONDON, BERLIN = "London", "Berlin"
VEINS, LASER, VACCINE = TREATMENTS = "microsclerotherapy", "laser_hair_removal", "hepatitis_b"
OLDEST_DAYS = 420  # nothing in the demo is older
ONE_DAY = timedelta(days=1)

SITES: dict[str, dict[str, Any]] = {
    LONDON: {
        "name": "Harbour Street, London",
        "zone": "Europe/London",
        "country": "GB",
        "subdivision": "ENG",
        "address": "14 Harbour Street\nLondon E14 0XX",
        "phone": "+44 20 7946 0100",
        "sender_name": "Harbour Street Clinic",
        "sender_email": "front.desk@london.demo.example",
        "language": "en",
    },
    BERLIN: {
        "name": "Lindenhof, Berlin",
        "zone": "Europe/Berlin",
        "country": "DE",
        "subdivision": "BE",
        "address": "Lindenhofstraße 7\n10969 Berlin",
        "phone": "+49 30 23125 100",
        "sender_name": "Praxis Lindenhof",
        "sender_email": "empfang@berlin.demo.example",
        "language": "de",
    },
}

Span = tuple[str, str]  # from, until


@dataclass(frozen=True, slots=True)
class Shift:
    """When somebody works at a site: these weekdays (0: Monday), these spans; lunch is the hole between two."""

    site: str
    weekdays: Sequence[int]
    spans: Sequence[Span]
    every_weeks: int = 1


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in; with shifts, a practitioner too."""

    email: str
    name: str
    roles: Sequence[Role]
    sites: Sequence[str]
    languages: Sequence[str] = ()
    can: Sequence[str] = ()
    can_for_days: dict[str, int] = field(default_factory=dict)  # a licence that runs out, so many days from now
    shifts: Sequence[Shift] = ()

    @property
    def is_operator(self) -> bool:
        return Role.OPERATOR in self.roles


BOTH = (LONDON, BERLIN)
CLINICIAN, PRESCRIBER = (Role.CLINICIAN,), (Role.CLINICIAN, Role.PRESCRIBER)

PEOPLE = (
    Person("operator@demo.example", "Robin Ferreira", (Role.OPERATOR,), BOTH),
    Person("manager@demo.example", "Ingrid Vasquez", (Role.MANAGER,), BOTH),
    Person("reception@demo.example", "Dana Whitfield", (Role.RECEPTION,), BOTH),
    Person(
        "prescriber@demo.example",
        "Dr Amara Okafor",
        PRESCRIBER,
        (LONDON,),
        ("en", "yo", "fr"),
        ("vein_assessment", "sclerotherapy", "laser_assessment"),
        shifts=(Shift(LONDON, (0, 1, 2, 3), (("09:00", "12:30"), ("13:15", "17:00"))),),
    ),
    Person(
        "clinician@demo.example",
        "Priya Raman",
        CLINICIAN,
        (LONDON,),
        ("en", "ta", "hi"),
        ("sclerotherapy", "vaccination", "laser_operator"),
        can_for_days={"laser_operator": 120},
        shifts=(
            Shift(LONDON, (0, 1, 2, 3, 4), (("08:30", "12:00"), ("12:45", "16:30"))),
            Shift(LONDON, (5,), (("09:00", "13:00"),), every_weeks=2),
        ),
    ),
    Person(
        "tomasz@demo.example",
        "Tomasz Lewandowski",
        CLINICIAN,
        (LONDON,),
        ("en", "pl"),
        ("laser_operator", "laser_assessment", "vaccination"),
        shifts=(
            Shift(LONDON, (1, 2, 3, 4), (("10:00", "13:30"), ("14:15", "18:30"))),
            Shift(LONDON, (0,), (("10:00", "14:00"),), every_weeks=2),
        ),
    ),
    Person(
        "eleni@demo.example",
        "Dr Eleni Papadaki",
        PRESCRIBER,
        BOTH,
        ("en", "de", "el"),
        ("vein_assessment", "sclerotherapy"),
        shifts=(
            Shift(LONDON, (0, 1), (("10:00", "13:00"), ("14:00", "18:00"))),
            Shift(BERLIN, (3, 4), (("09:00", "12:30"), ("13:30", "17:00"))),
        ),
    ),
    Person(
        "jonas@demo.example",
        "Dr. Jonas Brandt",
        PRESCRIBER,
        (BERLIN,),
        ("de", "en"),
        ("vein_assessment", "sclerotherapy"),
        shifts=(
            Shift(BERLIN, (0, 1, 2), (("08:00", "12:00"), ("13:00", "16:30"))),
            Shift(BERLIN, (4,), (("08:00", "12:00"),)),
        ),
    ),
    Person(
        "ayse@demo.example",
        "Ayşe Yıldırım",
        CLINICIAN,
        (BERLIN,),
        ("de", "tr", "en"),
        ("sclerotherapy", "vaccination"),
        shifts=(
            Shift(BERLIN, (0, 1, 2, 3), (("09:00", "12:45"), ("13:30", "17:30"))),
            Shift(BERLIN, (4,), (("09:00", "13:00"),), every_weeks=2),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Thing:
    """A room or a device. Walking under supervision is a place where staff watch several patients at once."""

    kind: str
    name: str
    site: str
    can: Sequence[str]
    places: int = 1


THINGS = (
    Thing("room", "Consulting room 1", LONDON, ("consulting_room",)),
    Thing("room", "Treatment room 1", LONDON, ("treatment_room",)),
    Thing("room", "Treatment room 2", LONDON, ("treatment_room", "vaccination_room")),
    Thing("room", "Laser room", LONDON, ("laser_room", "consulting_room")),
    Thing("room", "Walking gallery (supervised)", LONDON, ("walking_supervision",), places=4),
    Thing("room", "Observation seats, London", LONDON, ("observation_area",), places=4),
    Thing("device", "Hair-removal laser A", LONDON, ("hair_removal_laser",)),
    Thing("room", "Sprechzimmer", BERLIN, ("consulting_room",)),
    Thing("room", "Behandlungszimmer 1", BERLIN, ("treatment_room",)),
    Thing("room", "Behandlungszimmer 2", BERLIN, ("treatment_room",)),
    Thing("room", "Impfzimmer", BERLIN, ("vaccination_room",)),
    Thing("room", "Gehbereich (unter Aufsicht)", BERLIN, ("walking_supervision",), places=3),
    Thing("room", "Wartebereich nach Impfung", BERLIN, ("observation_area",), places=4),
)
OPENING = (("07:30", "20:00"),)


@dataclass(frozen=True)
class Place:
    """The sites as they stand, and the people by the name before the @ of their address."""

    now: datetime
    sites: dict[str, Site]
    users: dict[str, User]
    practitioners: dict[str, Resource]
    versions: dict[str, ProtocolVersion]

    def site(self, name: str) -> Site:
        return self.sites[name]

    def today(self, site: Site) -> date:
        return localtime.local_date(self.now, site.zone)

    @cached_property
    def _closed(self) -> dict[int, set[date]]:
        shut = Closure.objects.filter(site__in=self.sites.values(), cancelled_at=None, from_time=None)
        closed: dict[int, set[date]] = {site.pk: set() for site in self.sites.values()}
        for closure in shut:
            days = (closure.last_on - closure.first_on).days
            closed[closure.site_id].update(closure.first_on + timedelta(days=at) for at in range(days + 1))
        return closed

    def is_open(self, site: Site, on: date) -> bool:
        """Whether a site treats patients on a date: Monday to Friday, neither a holiday nor closed."""
        return on.weekday() < 5 and on not in self._closed[site.pk]

    def is_at_work(self, who: str, site: Site, on: date) -> bool:
        """Whether a practitioner has hours at a site on a date, morning and afternoon, and is not away."""
        resource = self.practitioners[who]
        hours = [row for row in resource.hours.filter(site=site) if roster.is_on(row, on)]
        away = resource.absences.filter(cancelled_at=None, first_on__lte=on, last_on__gte=on)
        return len(hours) > 1 and not away.exists()

    def open_day(self, site: Site, days: int) -> date:
        """Return the open day so many days from today; when that is none, the one before it (after it, if to come)."""
        on, step = self.today(site) + timedelta(days=days), ONE_DAY if days >= 0 else -ONE_DAY
        while not self.is_open(site, on):
            on += step
        return on


def make(password: str, *, now: datetime) -> Place:
    """Open the sites with everybody and everything in them. Raises RuleBroken for a password that is too weak."""
    then = now - timedelta(days=OLDEST_DAYS)
    sites = {name: accounts.save_site(by=None, now=then, **fields) for name, fields in SITES.items()}
    users = {_short(person): _let_in(person, sites, password, now=then) for person in PEOPLE}
    protocols.load_vocabulary_file()
    outbox.load_texts(now=then)
    versions = {
        key: protocols.load(protocols.shipped(key), by=None, now=then, approve_by=users["prescriber"])
        for key in TREATMENTS
    }
    practitioners = _staff_and_rooms(sites, users, now=now, then=then)
    place = Place(now, sites, users, practitioners, versions)
    _close(place, by=users["manager"], then=then)
    _leave(place, by=users["manager"])
    return place


def _short(person: Person) -> str:
    return person.email.partition("@")[0]


def _let_in(person: Person, sites: dict[str, Site], password: str, *, now: datetime) -> User:
    return accounts.create_user(
        email=person.email,
        name=person.name,
        password=password,
        roles={sites[name]: person.roles for name in person.sites},
        by=None,
        now=now,
        is_superuser=person.is_operator,  # whoever runs the service may do everything in the demo
    )


def _staff_and_rooms(
    sites: dict[str, Site], users: dict[str, User], *, now: datetime, then: datetime
) -> dict[str, Resource]:
    """Make the resources. Where plans cost the same the planner takes the lowest id, and ids are random.

    So the rows are made first, and what they are is given out in the order of their ids: the same demo each time.
    """
    people = [person for person in PEOPLE if person.shifts]
    unnamed = [
        staffing.save_resource(ResourceDetails("room", f"Resource {number}"), by=None, now=then)
        for number in range(len(people) + len(THINGS))
    ]
    rows = iter(sorted(unnamed, key=lambda row: row.uid))
    practitioners = {}
    for person in people:
        details = ResourceDetails(
            kind="practitioner",
            name=person.name,
            user=users[_short(person)],
            languages=person.languages,
            capabilities=[Grant(code, until_on=_runs_out(person, code, now)) for code in person.can],
        )
        row = staffing.save_resource(details, by=None, now=then, resource=next(rows))
        staffing.set_hours(row, _hours(person.shifts, sites, then), by=None, now=then)
        practitioners[_short(person)] = row
    for thing in THINGS:
        details = ResourceDetails(
            thing.kind, thing.name, places=thing.places, capabilities=[Grant(code) for code in thing.can]
        )
        row = staffing.save_resource(details, by=None, now=then, resource=next(rows))
        staffing.set_hours(row, _hours([Shift(thing.site, range(6), OPENING)], sites, then), by=None, now=then)
    return practitioners


def _runs_out(person: Person, code: str, now: datetime) -> date | None:
    days = person.can_for_days.get(code)
    return None if days is None else now.date() + timedelta(days=days)


def _hours(shifts: Iterable[Shift], sites: dict[str, Site], then: datetime) -> list[WeeklyHours]:
    monday = then.date() - timedelta(days=then.weekday() + 7)
    return [
        WeeklyHours(
            site=sites[shift.site],
            weekday=weekday,
            from_time=time.fromisoformat(from_time),
            until_time=time.fromisoformat(until_time),
            valid_from=monday,
            every_weeks=shift.every_weeks,
        )
        for shift in shifts
        for weekday in shift.weekdays
        for from_time, until_time in shift.spans
    ]


def _close(place: Place, *, by: User, then: datetime) -> None:
    """Close the sites on real public holidays, and for reasons of their own."""
    first, last = then.year, (place.now + timedelta(days=OLDEST_DAYS)).year
    for site in place.sites.values():
        closures.store_holidays(site, range(first, last + 1), by=by, now=then)
    london, berlin = place.site(LONDON), place.site(BERLIN)
    training_on = place.open_day(london, 24)
    afternoon = (time(13), time(18))
    closures.record(
        closures.ClosureDetails(london, "Resuscitation training", training_on, training_on, *afternoon), by=by, now=then
    )
    outing_on = place.open_day(berlin, 45)
    closures.record(closures.ClosureDetails(berlin, "Betriebsausflug", outing_on, outing_on), by=by, now=then)
    del place.__dict__["_closed"]  # looked up above, before the last of them was there


def _leave(place: Place, *, by: User) -> None:
    """Book leave before anybody is booked with those who take it."""
    then = place.now - timedelta(days=OLDEST_DAYS)
    who = place.practitioners

    def away(resource: Resource, days: int, length: int, kind: str, part: tuple[time, time] | None = None) -> None:
        first_on = place.now.date() + timedelta(days=days)
        from_time, until_time = part or (None, None)
        details = absences.AbsenceDetails(
            resource, first_on, first_on + timedelta(days=length - 1), kind, from_time, until_time
        )
        absences.record(details, by=by, now=then)

    away(who["clinician"], -120, 14, "leave")
    away(who["clinician"], 37, 12, "leave")
    away(who["jonas"], 16, 5, "training")
    away(who["prescriber"], 60, 19, "leave")
    away(who["ayse"], 9, 1, "leave", (time(13), time(18)))
    away(who["eleni"], -40, 3, "illness")
    laser = Resource.objects.get(kind="device")
    away(laser, 30, 2, "repair")
