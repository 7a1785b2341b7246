"""Deploying a model without surprises: certificates, witnesses, the guard of outputs, results that can be shared."""

from fhenn.safety.certificate import Certificate, CertifiedActivation, certify
from fhenn.safety.outputs import OutputGuard, output_guard
from fhenn.safety.report import SafetyReport, safety_report
from fhenn.safety.sharing import Budget, flooded
from fhenn.safety.witness import observe

__all__ = [
    "Budget",
    "Certificate",
    "CertifiedActivation",
    "OutputGuard",
    "SafetyReport",
    "certify",
    "flooded",
    "observe",
    "output_guard",
    "safety_report",
]
