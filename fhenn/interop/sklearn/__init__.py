"""scikit-learn: fitted estimators and pipelines in. scikit-learn itself is loaded when one is read."""

from fhenn.interop.sklearn.catalogue import ESTIMATORS, PREPARERS, TRANSFORMERS
from fhenn.interop.sklearn.importer import from_sklearn, prepares

__all__ = ["ESTIMATORS", "PREPARERS", "TRANSFORMERS", "from_sklearn", "prepares"]
