"""Fitted transformers of scikit-learn as the steps of a preparation."""

from fhenn.interop.sklearn.preparing.agreement import require_agreement as require_agreement
from fhenn.interop.sklearn.preparing.reader import preparation_of as preparation_of
