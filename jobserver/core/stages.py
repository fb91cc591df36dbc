"""The rule of even and odd stages. Even: available or done. Odd: working. Pure."""

from jobserver.core.errors import BadRequest

MAX_STAGE = 1_000_000
DEFAULT_LAST_STAGE = 2


def is_available(stage: int) -> bool:
    """Returns whether jobs in this stage are available to workers (or done)."""
    return stage % 2 == 0


def require_stage(stage: int) -> int:
    """Returns the stage; BadRequest if it is not within 0 to MAX_STAGE."""
    if not 0 <= stage <= MAX_STAGE:
        raise BadRequest(f"A stage is a whole number from 0 to {MAX_STAGE}, not {stage}.")
    return stage


def require_available(stage: int) -> int:
    """Returns the stage; BadRequest if jobs cannot be claimed from it."""
    if not is_available(require_stage(stage)):
        raise BadRequest(f"Stage {stage} is odd: jobs there are being worked on. Claim from an even stage.")
    return stage


def working_stage(stage: int, named: int | None = None) -> int:
    """Returns the odd stage for a job claimed from `stage`: the next one, or `named`, which must be above `stage`."""
    work = stage + 1 if named is None else require_stage(named)
    if is_available(work):
        raise BadRequest(f"A working stage is odd; {work} is even. Name {stage + 1}, or leave it out.")
    if work < stage:
        raise BadRequest(f"A job claimed from stage {stage} cannot move down to working stage {work}.")
    return work


def require_target(stage: int) -> int:
    """Returns the stage; BadRequest if a claim cannot end there."""
    if not is_available(require_stage(stage)):
        raise BadRequest(f"A claim ends in an even stage; {stage} is odd. The stage after working stage n is n + 1.")
    return stage


def require_lower(old: int, new: int) -> int:
    """Returns `new`; BadRequest unless it is an even stage below `old`."""
    require_stage(old)
    if not is_available(require_stage(new)) or new >= old:
        raise BadRequest(f"Jobs of stage {old} can return only to an even stage below it, not to {new}.")
    return new


def choices(stage: int) -> str:
    """Describes the stages to which a job in working stage `stage` may move."""
    lower = ", ".join(str(even) for even in range(max(0, stage - 7), stage, 2) if even % 2 == 0)
    return f"{stage + 1} (done) or a lower even stage ({lower or '0'}: released)"


def last_stage(lifetime_stages: list[int], seen_stages: list[int]) -> int:
    """Returns the even stage in which a job is done: the highest stage with a lifetime. If that stage is odd, or no
    stage has a lifetime: the highest known stage, rounded up to an even number, at least 2."""
    highest = max(lifetime_stages, default=1)
    if is_available(highest):
        return highest
    return max(stage + stage % 2 for stage in [DEFAULT_LAST_STAGE, highest, *seen_stages])
