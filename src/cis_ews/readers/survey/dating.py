"""In which form a table's dates are written; where day and month look alike, what the rest of the source says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cis_ews.readers.survey.files import SourceTable
from cis_ews.readers.survey.profile import DAY_FIRST, Profile
from cis_ews.schema.parsing import DATE_FORMAT

MONTH_FIRST = {later: first for first, later in DAY_FIRST.items()}
ENOUGH_DAYS = 10
FEW_WEEKENDS, MANY_WEEKENDS = 0.02, 0.08


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a column's dates are written. `other`: the one in which they can be read as well."""

    written: str
    reason: str
    other: str | None = None


def form_of(profile: Profile, *, is_schoolday: bool, beside: Sequence[SourceTable]) -> Form:
    """The form of one column. `beside`: tables whose columns may decide, its own first."""
    first = next(iter(profile.dates))
    other = DAY_FIRST.get(first) if first in DAY_FIRST else MONTH_FIRST.get(first)
    if other is None or other not in profile.dates:
        return Form(first, f"dates as {first}")
    month, day = (first, other) if first in DAY_FIRST else (other, first)
    if is_schoolday and profile.distinct >= ENOUGH_DAYS:
        weekends = {each: profile.weekend[each] for each in (month, day)}
        for each, against in ((month, day), (day, month)):
            if weekends[each] <= FEW_WEEKENDS and weekends[against] >= MANY_WEEKENDS:
                return Form(each, f"dates as {each}: read so, they lie on school days")
    for each in beside:
        said = _says(each.dates.values(), month, day)
        if said:
            return Form(said, f"dates as {said}, as in other columns of {each.name}")
    return Form(month, f"dates as {month}", other=day)


def _says(columns: Iterable[Profile], month: str, day: str) -> str | None:
    """Which of the two a column can be read in alone; None where none says it, or where two differ."""
    found = set[str]()
    for profile in columns:
        for each in profile.dates:
            twin = DAY_FIRST.get(each) or MONTH_FIRST.get(each)
            if twin and twin not in profile.dates:
                found.add(month if each in DAY_FIRST else day)
    return found.pop() if len(found) == 1 else None


def formats_of(forms: Iterable[Form], profiles: Iterable[Profile]) -> tuple[str, ...]:
    """The forms of a table, each once; none where that is the contract's own alone."""
    also = [each.besides for each in profiles if each.besides]
    written = tuple(dict.fromkeys([*(each.written for each in forms), *also]))
    return () if written in ((), (DATE_FORMAT,)) else written


def question_of(forms: Sequence[Form]) -> str | None:
    """What has to be asked of a table's dates."""
    unsure = next((each for each in forms if each.other), None)
    if unsure is not None:
        return (
            f'its dates can be read with the month first ("{unsure.written}") or with the day first '
            f'("{unsure.other}"), and nothing in the sample tells which: which is it?'
        )
    written = {each.written for each in forms}
    if any(DAY_FIRST.get(each) in written for each in written):
        return (
            "one of its columns has the month first, another the day first; they are tried in this order: is that so?"
        )
    return None
