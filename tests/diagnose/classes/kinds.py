"""Faults by class: what an operator meets, invented for this bench and listed nowhere else."""

from tests.diagnose.classes import answers, files, held, ways

KINDS = tuple(
    sorted(
        (
            *(answers.REFUSED, answers.SILENCE, answers.OWN_PACKETS, answers.ONE_CAUSE),
            *(ways.REFUSING, ways.DEFAULTS, ways.OVERLAP, ways.UNUSUAL),
            *(held.RUNS_OUT, held.AS_ASKED, held.EVIDENCE, held.WHOLE),
            *(files.NEXT_ADD, files.LEFT),
        ),
        key=lambda kind: kind.number,
    )
)
