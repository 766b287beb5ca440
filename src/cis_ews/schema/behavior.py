"""Behavior incidents and what the school did about them."""

from __future__ import annotations

import dataframely as dy

from cis_ews.enums import DisciplineActionType, Severity


class Incidents(dy.Schema):
    """One row an incident and offender; victims and witnesses have no row.

    `behavior`: the source's own word for the kind of behavior; null where it does not say.
    """

    incident_id = dy.String(primary_key=True, min_length=1)
    student_id = dy.String(primary_key=True, min_length=1)
    school_id = dy.String(min_length=1)
    date = dy.Date()
    severity = dy.Enum(Severity)
    behavior = dy.String(nullable=True)


class DisciplineActions(dy.Schema):
    """One row an action taken.

    `days`: the length imposed, in school days, halves allowed; null where the source does not say.
    """

    incident_id = dy.String(primary_key=True, min_length=1)
    student_id = dy.String(primary_key=True, min_length=1)
    action = dy.Enum(DisciplineActionType, primary_key=True)
    start_date = dy.Date(primary_key=True)
    days = dy.Float64(nullable=True, min=0.0, max=366.0)
