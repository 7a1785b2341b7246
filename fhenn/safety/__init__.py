"""Deploying a model without surprises: certificates."""

from fhenn.safety.certificate import Certificate, CertifiedActivation, certify, fingerprint_of

__all__ = ["Certificate", "CertifiedActivation", "certify", "fingerprint_of"]
