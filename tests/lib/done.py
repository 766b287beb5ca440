"""The made-up district after somebody has done something, so that every page of the console has something to show."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lib.console_pages import ADMINISTRATOR, COORDINATOR, address_of, decide, forms_of, undecided
from tests.lib.made_up import SCHOOL, World


@dataclass(frozen=True)
class Done:
    """What the pages have to show: a meeting with a note, a plan, a question, a person."""

    world: World
    meeting: str
    person: str
    ref: str

    def address(self, path: str) -> str:
        """A page of a route."""
        return address_of(
            path,
            ref=self.ref,
            school_ref=self.world.school_refs[SCHOOL],
            meeting_id=self.meeting,
            person_id=self.person,
            district_ref=self.world.served.database.pages.districts(only=None)[0].ref,
        )


def something_done(world: World) -> Done:
    """A meeting, a plan, a question about data, a saved view, an emergency that was ended; of two students."""
    ana = forms_of(world.served, world.email(COORDINATOR))
    *_, other, ref = undecided(ana, world.refs)
    begun = ana.send("/meetings", "/meetings", school=f"{world.district}/{SCHOOL}", about="flagged")
    meeting = begun.headers["location"].split("/")[2]
    decide(ana, ref, "contact", contact="meeting", reason="Rides two buses", meeting=meeting, place="1")
    decide(ana, ref, "accept")
    plan = {"needs": "A way to school", "assets": "Plays the trumpet", "area": "basic_needs", "owner": "Ms. Lee"}
    decide(ana, ref, "open_plan", **plan, goal="From 82 to 90 of 100 days", consent_on="2026-01-15", meeting=meeting)
    decide(ana, other, "question_data", subject="attendance", reason="Was on a field trip")
    school = f"/schools/{world.school_refs[SCHOOL]}"
    assert ana.send(f"{school}?tier=3", f"{school}/views", name="Ours", filters="tier=3").status == 303
    ada = forms_of(world.served, world.email(ADMINISTRATOR))
    place = f"{world.district}\t{SCHOOL}"
    assert ada.send("/admin/emergency", "/admin/emergency", place=place, reason="a boy is hurt").status == 303
    emergency = next(one.emergency_id for one in world.served.database.emergencies.list())
    assert ada.send("/admin/emergency", "/admin/emergency", do="end", emergency=emergency).status == 303
    person = next(one.person_id for one in world.served.database.people.list() if one.email == world.email(COORDINATOR))
    return Done(world, meeting, person, ref)
