"""What a school year leads to: promotion, repeating, graduation, moves over the summer."""

from __future__ import annotations

import numpy as np

from cis_ews.synthetic.attendance import Days
from cis_ews.synthetic.coursework import Coursework
from cis_ews.synthetic.districts import World
from cis_ews.synthetic.mobility import Exit, Year
from cis_ews.synthetic.plan import Array, Stream
from cis_ews.synthetic.roster import PREKINDERGARTEN, Block

LEAVES_IN_SUMMER = 0.028
MOVES_IN_SUMMER = 0.035


def finish_year(world: World, block: Block, year: Year, *, days: Days, coursework: Coursework) -> None:
    """End the year's open stays where a student graduates or leaves, and set the block to the next year, in place."""
    rng = world.plan.generator(Stream.OUTCOMES, block.key.district, block.key.number, year.index)
    here = block.active.copy()
    graduates = here & _graduates(block, coursework, rng)
    dropped = here & ~graduates & _drops_out_in_summer(block, coursework, rng)
    leaves = here & ~graduates & ~dropped & (rng.random(block.size) < LEAVES_IN_SUMMER)
    repeats = here & ~graduates & ~dropped & ~leaves & _repeats(block, coursework, rng)
    for chosen, how in ((graduates, Exit.GRADUATED), (dropped, Exit.DROPPED_OUT), (leaves, Exit.TRANSFER)):
        _end_stays(year, chosen, how)
    block.active = (here & ~graduates & ~dropped & ~leaves) | (block.first_year == year.index + 1)
    block.last_rate = _rates(block, days)
    block.grade = np.minimum(block.grade + (here & ~repeats), 12)
    block.repeats = repeats
    _move_in_summer(world, block, here, rng=rng)


def _failed_share(coursework: Coursework) -> Array:
    return coursework.failed / np.maximum(coursework.taken, 1)


def _graduates(block: Block, coursework: Coursework, rng: np.random.Generator) -> Array:
    """Most of grade 12; fewer of those who fail courses."""
    odds = 1 / (1 + np.exp(-3.7 + 7.0 * _failed_share(coursework)))
    return (block.grade == 12) & (rng.random(block.size) < odds)


def _drops_out_in_summer(block: Block, coursework: Coursework, rng: np.random.Generator) -> Array:
    odds = np.where(block.grade >= 9, 0.004, 0.0) * np.exp(0.4 * block.absence + 2.5 * _failed_share(coursework))
    odds = np.where(block.grade == 12, 0.3, odds)
    return rng.random(block.size) < odds


def _repeats(block: Block, coursework: Coursework, rng: np.random.Generator) -> Array:
    """High-school students who fail half of their courses, kindergartners now and then, grade 12 without a diploma."""
    share = _failed_share(coursework)
    odds = np.where(block.grade >= 9, 0.75 / (1 + np.exp(-14 * (share - 0.42))), 0.002)
    odds = np.where(block.grade == 0, 0.015, odds)
    odds = np.where(block.grade == 12, 1.0, np.where(block.grade == PREKINDERGARTEN, 0.0, odds))
    return rng.random(block.size) < odds


def _end_stays(year: Year, chosen: Array, how: Exit) -> None:
    for stays in (year.stays, year.second):
        ends = chosen[stays.student] & (stays.exit == Exit.OPEN)
        stays.exit = np.where(ends, how, stays.exit)


def _rates(block: Block, days: Days) -> Array:
    enrolled = days.instructional.sum(axis=1)
    rate = days.absent.sum(axis=1) / np.maximum(enrolled, 1)
    return np.where(enrolled >= 20, rate, block.last_rate)


def _move_in_summer(world: World, block: Block, here: Array, *, rng: np.random.Generator) -> None:
    """Some live elsewhere in the fall: another part of the district, or another district."""
    moves = here & (rng.random(block.size) < MOVES_IN_SUMMER * np.where(block.low_income, 1.4, 0.7))
    away = moves & (rng.random(block.size) < 0.4)
    sizes = world.district_students / world.district_students.sum()
    block.zone = np.where(moves, rng.random(block.size), block.zone)
    block.district = np.where(away, rng.choice(sizes.size, block.size, p=sizes), block.district)
