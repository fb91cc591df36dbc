"""The rule of even and odd. Even: available, or done. Odd: being worked on. Pure."""

from jobserver.core.errors import BadRequest

MAX_STAGE = 1_000_000
DEFAULT_LAST_STAGE = 2


def is_available(stage: int) -> bool:
    """Whether jobs in this stage wait for a worker (or are done)."""
    return stage % 2 == 0


def require_stage(stage: int) -> int:
    """The stage itself; BadRequest when it is outside of 0 to MAX_STAGE."""
    if not 0 <= stage <= MAX_STAGE:
        raise BadRequest(f"A stage is a whole number from 0 to {MAX_STAGE}, not {stage}.")
    return stage


def require_available(stage: int) -> int:
    """The stage itself; BadRequest when jobs can't be claimed from it."""
    if not is_available(require_stage(stage)):
        raise BadRequest(f"Stage {stage} is odd: jobs there are being worked on. Claim from an even stage.")
    return stage


def working_stage(stage: int, named: int | None = None) -> int:
    """The odd stage that a job claimed from `stage` goes to: the next one, unless another is named above it."""
    work = stage + 1 if named is None else require_stage(named)
    if is_available(work):
        raise BadRequest(f"A working stage is odd; {work} is even. Name {stage + 1}, or leave it out.")
    if work < stage:
        raise BadRequest(f"A job claimed from stage {stage} can't go down to {work} to be worked on.")
    return work


def require_target(stage: int) -> int:
    """The stage itself; BadRequest when a claim can't end there."""
    if not is_available(require_stage(stage)):
        raise BadRequest(f"A claim ends in an even stage; {stage} is odd. Done with working stage n is n + 1.")
    return stage


def require_lower(old: int, new: int) -> int:
    """`new` itself; BadRequest unless it is an even stage below `old`."""
    require_stage(old)
    if not is_available(require_stage(new)) or new >= old:
        raise BadRequest(f"Jobs of stage {old} can be sent back only to an even stage below it, not to {new}.")
    return new


def choices(stage: int) -> str:
    """In words, where a job that is being worked on in `stage` may go."""
    lower = ", ".join(str(even) for even in range(max(0, stage - 7), stage, 2) if even % 2 == 0)
    return f"{stage + 1} (done with it) or a lower even stage ({lower or '0'}: given back)"


def last_stage(lifetime_stages: list[int], seen_stages: list[int]) -> int:
    """The even stage in which a job is done: the highest with a lifetime. Without lifetimes, or where that stage is odd
    and so no end: the highest even stage that was seen or comes after one, at least 2."""
    highest = max(lifetime_stages, default=1)
    if is_available(highest):
        return highest
    return max(stage + stage % 2 for stage in [DEFAULT_LAST_STAGE, highest, *seen_stages])
