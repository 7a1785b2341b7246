"""Whether a plan holds for a model."""

from __future__ import annotations

import numpy as np

from fhenn.ckks.evaluator import Evaluator
from fhenn.errors import KeyMissing, LevelExhausted, NonFiniteValue, PlanError, PreparationMismatch, ScaleMismatch
from fhenn.nn import Activation, Node
from fhenn.planner.floor import SECURITY_BITS
from fhenn.planner.identity import fingerprint_of, signature_of
from fhenn.planner.outcome import image_of_domain, result_of
from fhenn.planner.plan import Plan, require_plan
from fhenn.planner.walk import Path, walk
from fhenn.planner.witness_choice import require_keys, require_witnesses


@np.errstate(all="ignore")
def errors_on(plan_: Plan, model: Node, evaluator: Evaluator) -> tuple[float, float]:
    """What a plan's error and worst error are where another evaluator computes, with the keys that the plan names.

    plan_: of the model.
    model: that it is for (`verify`).
    evaluator: that computes.

    Raises PlanError where that evaluator cannot run the plan.

    >>> import fhenn
    >>> from fhenn.ckks.evaluator import SEAL
    >>> model = fhenn.Linear([[1.0]])
    >>> made = fhenn.plan(model, bounds=[-1, 1], evaluator="seal")
    >>> errors_on(made, model, SEAL)[0] <= made.error
    True
    """
    path, keys = Path.of(plan_, model), plan_.rotation_keys
    try:
        average, worst = (
            walk(path, plan_.layout, plan_.parameters, norm=norm, keys=keys, evaluator=evaluator) for norm in (2, 1)
        )
    except (KeyMissing, ScaleMismatch, LevelExhausted) as cause:
        raise PlanError(
            f"the plan is for the evaluator {plan_.evaluator!r}, and does not run on {evaluator.name!r} ({cause}).",
            f"Plan with evaluator={evaluator.name!r}.",
        ) from cause
    return average.bound, worst.noise.bound(plan_.parameters.slots, SECURITY_BITS)


@np.errstate(all="ignore")
def verify(plan_: Plan, model: Node) -> None:
    """Raise PlanError where a plan is not for a model: other nodes, other weights, or another preparation.

    plan_: to be checked.
    model: that it should be for.

    A plan's headroom and error are for the weights that it was made with; past the headroom every slot is garbage, and
    clients that hold the plan expect the answers of its model. A plan of before there were fingerprints (`Plan.model`)
    is walked for the model instead. What it says of outputs and witnesses is checked either way.

    >>> import fhenn
    >>> model = fhenn.Linear([[1.0]])
    >>> verify(fhenn.plan(model, bounds=[-1, 1]), model)
    """
    require_plan(plan_)
    found = signature_of(model)
    if found != plan_.signature:
        raise PlanError(
            f"the plan is for {', '.join(plan_.signature)}, the model is {', '.join(found)}.",
            "Plan again for this model.",
        )
    if plan_.model is not None and plan_.model != fingerprint_of(model):
        raise PlanError("the model's weights are not those that the plan was made for.", "Plan again for this model.")
    prepared = None if model.preparation is None else model.preparation.fingerprint
    if plan_.preparation != prepared:
        raise PreparationMismatch.between(plan_.preparation, prepared, "Plan again for this model.")
    try:
        path = Path.of(plan_, model)
    except (ValueError, NonFiniteValue) as cause:
        raise PlanError("the plan's bounds or ranges do not suit the model.", "Plan again for this model.") from cause
    try:
        keys, evaluator = plan_.rotation_keys, plan_.find_evaluator()
        if not plan_.scaled:  # made before the errors of double precision counted
            evaluator = evaluator.without_roundoff()
        now = walk(path, plan_.layout, plan_.parameters, keys=keys, evaluator=evaluator)
    except KeyMissing as cause:
        raise PlanError(
            f"the plan names no key that the model needs: {cause.key}.", "Plan again for this model."
        ) from cause
    except (ScaleMismatch, LevelExhausted) as cause:
        raise PlanError("the model's values do not fit the plan's parameters.", "Plan again for this model.") from cause
    if not (now.bound <= plan_.accuracy and now.holds):
        raise PlanError(
            "the plan does not hold for the model's weights: their error exceeds its accuracy, or their values its "
            "modulus.",
            "Plan again for this model.",
        )
    if plan_.result is not None and plan_.result != result_of(now):
        raise PlanError(
            "the plan's result (outputs, level, layout) is that of another model.", "Plan again for this model."
        )
    last = path.nodes[-1]
    # an older plan names the outputs of an exact activation too
    if plan_.outputs is not None and not (isinstance(last, Activation) and plan_.outputs == image_of_domain(last)):
        raise PlanError(
            "the outputs that the plan names are those of another activation.", "Plan again for this model."
        )
    if plan_.witnesses:
        require_witnesses(plan_.witnesses, now)
        require_keys(plan_.witnesses, now, keys)
