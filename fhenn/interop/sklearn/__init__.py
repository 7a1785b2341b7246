"""scikit-learn: fitted estimators and pipelines in. scikit-learn itself is loaded when one is read."""

from fhenn.interop.sklearn.catalogue import ESTIMATORS, TRANSFORMERS
from fhenn.interop.sklearn.importer import from_sklearn

__all__ = ["ESTIMATORS", "TRANSFORMERS", "from_sklearn"]
