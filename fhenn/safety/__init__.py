"""Deploying a model without surprises: certificates, witnesses, the guard of outputs, results that can be shared."""

from fhenn.safety.budget import Budget, BudgetFile, SharingBudget, UnknownBudget
from fhenn.safety.certificate import Certificate, CertifiedActivation, certify
from fhenn.safety.observation import observe
from fhenn.safety.outputs import OutputGuard, output_guard
from fhenn.safety.report import SafetyReport, safety_report
from fhenn.safety.sharing import flooded

__all__ = [
    "Budget",
    "BudgetFile",
    "Certificate",
    "CertifiedActivation",
    "OutputGuard",
    "SafetyReport",
    "SharingBudget",
    "UnknownBudget",
    "certify",
    "flooded",
    "observe",
    "output_guard",
    "safety_report",
]
