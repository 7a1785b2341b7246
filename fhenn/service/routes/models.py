"""The models that are served, and their public plans."""

from __future__ import annotations

from fastapi import APIRouter, Response

from fhenn.service.routes.dependencies import BINARY, BINARY_CONTENT, Holder, ModelName, ServiceHere, problems
from fhenn.service.schemas import Models, ModelSummary

router = APIRouter(prefix="/v1", tags=["models"], responses=problems(401))


@router.get("/models", summary="The models that are served")
async def list_models(service: ServiceHere, holder: Holder) -> Models:
    """Name, features and sizes of each."""
    summaries = [
        ModelSummary(
            name=model.name,
            features=model.plan.features,
            samples_per_ciphertext=model.plan.samples_per_ciphertext,
            bytes_of_keys=model.plan.bytes_of_keys,
        )
        for model in service.models.values()
    ]
    return Models(models=summaries)


@router.get("/models/{model}", summary="A model's public plan", responses=problems(404))
async def show_model(service: ServiceHere, holder: Holder, model: ModelName) -> Response:
    """Parameters, layout and bounds: what a client needs to make keys and encrypt. It tells nothing of the weights."""
    found = service.model(model)
    return Response(
        f'{{"name": "{found.name}", "plan": {found.plan.to_json()}}}', media_type="application/json"
    )  # the plan's own JSON: floats survive to the last bit


@router.get(
    "/models/{model}/plan",
    summary="A model's public plan, as a file",
    response_class=Response,
    responses={**problems(404), 200: {"description": "the file", "content": {BINARY: BINARY_CONTENT}}},
)
async def plan_file(service: ServiceHere, holder: Holder, model: ModelName) -> Response:
    """For `fhenn keygen`, `encrypt` and `decrypt`: with the names of features and classes, where they are known."""
    return Response(service.model(model).message, media_type=BINARY)
