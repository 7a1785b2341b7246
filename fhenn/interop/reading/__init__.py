"""What a model's scores mean, and what a client makes of them, exactly: data, without code."""

from fhenn.interop.reading.compact import Probability
from fhenn.interop.reading.maps import Maps
from fhenn.interop.reading.reading import Reading, Task
from fhenn.interop.reading.roc import Roc, roc

__all__ = ["Maps", "Probability", "Reading", "Roc", "Task", "roc"]
