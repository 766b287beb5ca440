"""Who becomes the champion: a version whose gates pass, or one for which somebody gives a written reason.

The gates were measured at training and are kept with the version (`gates`), under a hash. Here they are held against
their bounds again, and against the champion of now: a comparison with a champion that is gone says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cis_ews.errors import ConfigError, PromotionRefusedError
from cis_ews.risk.registry import Decision, Registered, Registry
from training.card import CARD_PAGE, CARD_TEXT, with_override
from training.gates import NAMES, RECORD, RECORD_HASH, TRAIN_AGAIN, Gate, GateRecord

CURRENT = "current_champion"
"""The gate that is asked at promotion alone."""
SHORTEST, LONGEST = 15, 1_000
"""Characters of a written reason: more than "ok", and no essay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """Who is the champion now, and the gates as they were found; none where it was the champion already. `override`:
    the reason, where one was needed."""

    version: Registered
    gates: tuple[Gate, ...]
    override: str | None = None

    @property
    def refused(self) -> tuple[Gate, ...]:
        """Those that the reason overrides."""
        return tuple(gate for gate in self.gates if not gate.passes)


def promote(
    registry: Registry,
    *,
    name: str,
    number: int | None = None,
    override: str | None = None,
    now: datetime | None = None,
) -> Promoted:
    """Make a version the champion, the newest without a number.

    Raises:
        PromotionRefusedError: gates do not pass, and there is no written reason.
        ConfigError: the reason is too short or too long.
        ModelNotFoundError, RegistryError: nothing was promoted.
    """
    reason = None if override is None else checked_reason(override)
    at = now or datetime.now(UTC)
    found: list[Gate] = []

    def judge(version: Registered, champion: Registered | None) -> Decision | None:
        if champion is not None and champion.number == version.number:
            return None
        found.extend(judged(registry, version, champion))
        refused = [gate for gate in found if not gate.passes]
        if refused and reason is None:
            raise _refusal(version, refused)
        return _decision(registry, version, champion=champion, refused=refused, reason=reason, at=at)

    version = registry.promote(name=name, number=number, judge=judge)
    needed = any(not gate.passes for gate in found)
    return Promoted(version=version, gates=tuple(found), override=reason if needed else None)


def judged(registry: Registry, version: Registered, champion: Registered | None) -> list[Gate]:
    """The gates of a version as they stand now. Raises ModelError where their record was changed."""
    sha256, text = version.tags.get(RECORD_HASH), registry.text(version, RECORD)
    if sha256 is None or text is None:
        return [_missing(gate, "the version was registered without gates") for gate in NAMES]
    record = GateRecord.read(text, sha256=sha256)
    kept = {gate.name: gate for gate in record.gates}
    gates = [kept.get(gate) or _missing(gate, "it is not in the version's record") for gate in NAMES]
    if record.model_version != version.model_version:
        gates = [_missing(gate.name, "the record is of another model") for gate in gates]
    return [*gates, _current(record, champion)]


def checked_reason(text: str) -> str:
    """One line. Raises ConfigError where it is too short to be a reason, or too long to be read."""
    reason = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    if not SHORTEST <= len(reason) <= LONGEST:
        raise ConfigError(
            f"The reason of --override has {len(reason)} characters, not {SHORTEST} to {LONGEST:,}",
            hint="write in a sentence why this version is used in spite of its gates; it is kept for good",
        )
    return reason


def _missing(name: str, why: str) -> Gate:
    return Gate(name=name, title=name.replace("_", " "), value=None, found=why, to_do=TRAIN_AGAIN)


def _current(record: GateRecord, champion: Registered | None) -> Gate:
    """Whether the champion is the one that the version was compared with."""
    then = "no champion" if record.champion is None else f"champion {record.champion} ({record.champion_version})"
    if champion is None:
        same, now = record.champion is None, "there is no champion now"
    else:
        same = (champion.number, champion.model_version) == (record.champion, record.champion_version)
        now = f"the champion of now is {champion.number} ({champion.model_version})"
    return Gate(
        name=CURRENT,
        title="compared with the champion of now",
        value=float(same),
        least=1.0,
        found=f"it was compared with {then}" + ("" if same else f", {now}: the comparison is stale"),
        to_do=TRAIN_AGAIN,
    )


def _refusal(version: Registered, refused: Sequence[Gate]) -> PromotionRefusedError:
    said = "; ".join(f"({place}) {gate.refusal()}" for place, gate in enumerate(refused, start=1))
    to_do = list(dict.fromkeys(gate.to_do for gate in refused))
    return PromotionRefusedError(
        f"Version {version.number} of {version.name} was not promoted; of its gates {len(refused)} do not pass: {said}",
        hint="; ".join([*to_do, 'or give a written reason, which is kept for good: --override "..."']),
        gates=[gate.name for gate in refused],
        missed_by={gate.name: gate.missed_by for gate in refused if gate.value is not None},
    )


def _decision(
    registry: Registry,
    version: Registered,
    *,
    champion: Registered | None,
    refused: Sequence[Gate],
    reason: str | None,
    at: datetime,
) -> Decision:
    entry: dict[str, object] = {
        "at": at.isoformat(timespec="microseconds"),
        "name": version.name,
        "number": version.number,
        "model_version": version.model_version,
        "instead_of": None if champion is None else champion.number,
    }
    key = f"promotion.{at:%Y%m%dT%H%M%S.%fZ}"
    if not refused or reason is None:
        return Decision(key=key, entry=entry)
    overridden = {"override": reason, "refused": [gate.refusal() for gate in refused]}
    tags = {"override": reason, "override_of": ", ".join(gate.name for gate in refused)}
    texts = {
        file: with_override(text, at=at, reason=reason, refused=refused)
        for file in (CARD_TEXT, CARD_PAGE)
        if (text := registry.text(version, file)) is not None
    }
    return Decision(key=key, entry={**entry, **overridden}, tags=tags, texts=texts)
