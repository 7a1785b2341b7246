"""`from_torch` and `from_onnx`: neither library is imported before its importer is called."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fhenn.columns import samples, table_of
from fhenn.interop.conversion import Goal
from fhenn.interop.model import ImportedModel
from fhenn.nn.activation import Domain

if TYPE_CHECKING:
    import onnx
    import torch


def from_torch(
    module: torch.nn.Module,
    example_input: Any,
    *,
    inputs: Any = None,
    bounds: Any = None,
    margin: float = 0.5,
    accuracy: float | None = 1e-3,
    domain: Domain | Sequence[Domain] | None = None,
    classes: ArrayLike | None = None,
    agreement: float | None = None,
    depth: int | None = None,
    labels: Any = None,
    max_loss: float | None = None,
) -> ImportedModel:
    """What a PyTorch module computes in evaluation mode, its activations as polynomials.

    All is exact but for torch's own activations. Those of `fhenn.interop.torch` bring their polynomials. A Softmax, a
    LogSoftmax, or the Sigmoid of a single output at the end is finished exactly on the client.

    module: an object, never a file of pickles; it stays as it is.
    example_input: a tensor or an array (samples, ...) as the module takes it, on which the two are compared; features
    are all axes but the first, in C order. A table, as a DataFrame, names them; else that of the inputs does, if it is
    one.
    inputs, bounds, margin, accuracy, agreement, depth, labels, max_loss: where and how well the polynomials shall stand
    in, as `ImportedModel.for_inputs` takes them; those of ReLU and its kin are chosen by agreement on samples. Without
    either they are, to the accuracy, on [-16, 16] for the sigmoid and on [-8, 8] for others, of degree 16 there where
    none reaches it, until `fhenn.encrypted_model` gets to know the inputs.
    domain: in the place of inputs, (low, high) for all of them, or a list with one for each in order; it stays.
    classes: labels in the order of the outputs; 0, 1, … where None and the end is a softmax or a sigmoid, and where
    several outputs have one label for each sample. Outputs without such an end are taken for logits; without classes
    and labels too, `predict` gives the outputs.
    Returns the model.
    Raises UnsupportedModel where a part of the module cannot run encrypted.
    Raises ShapeMismatch, NonFiniteValue, UnsupportedValue where the example is no finite batch that the module takes.
    Raises ParameterError, AccuracyUnreached where domain, margin or accuracy cannot be met.
    Raises ExtraMissing without PyTorch.
    Raises AccuracyLost, and what else `ImportedModel.for_inputs` does for inputs.

    >>> import torch  # doctest: +SKIP
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(dim=1))  # doctest: +SKIP
    >>> from_torch(module, torch.zeros(1, 4), classes=["a", "b", "c"]).predict(torch.zeros(2, 4))  # doctest: +SKIP
    array(['a', 'a'], dtype='<U1')
    """
    from fhenn.interop.model import Wanted
    from fhenn.interop.torch import read

    table = table_of(example_input)
    outcome = read(module, example_input if table is None else samples(table), classes)
    wanted = Wanted(inputs, bounds, margin, accuracy, Goal(agreement, depth, labels, max_loss))
    return outcome.model(wanted, domain, None if table is None else table.names)


def from_onnx(
    path_or_model: str | PathLike[str] | onnx.ModelProto,
    *,
    inputs: Any = None,
    bounds: Any = None,
    margin: float = 0.5,
    accuracy: float | None = 1e-3,
    domain: Domain | Sequence[Domain] | None = None,
    classes: ArrayLike | None = None,
    agreement: float | None = None,
    depth: int | None = None,
    labels: Any = None,
    max_loss: float | None = None,
) -> ImportedModel:
    """The model of an ONNX file or message, its activations as polynomials; a file is data, and runs no code.

    How the end is finished is as for `from_torch`.

    path_or_model: one file, weights included, or what it holds; samples are the first axis of its input, and features
    are the others in C order. Several inputs bring their features one after another; where each brings one, as a column
    of a table, its name is that of the feature.
    inputs, bounds, margin, accuracy, domain, agreement, depth, labels, max_loss: as for `from_torch`.
    classes: labels, for graphs that name none.
    Returns the model.
    Raises UnsupportedModel where a part of the graph cannot run encrypted.
    Raises WireFormatError where the file is no ONNX model, OSError where it cannot be read.
    Raises ParameterError, AccuracyUnreached, ExtraMissing as `from_torch` does.
    Raises AccuracyLost, and what else `ImportedModel.for_inputs` does for inputs.

    >>> from onnx import TensorProto, helper
    >>> graph = helper.make_graph(
    ...     [helper.make_node("Mul", ["x", "twice"], ["y"])],
    ...     "example",
    ...     [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["samples", 2])],
    ...     [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["samples", 2])],
    ...     [helper.make_tensor("twice", TensorProto.FLOAT, [], [2.0])],
    ... )
    >>> from_onnx(helper.make_model(graph)).predict([[1.0, 3.0]])
    array([[2., 6.]])
    """
    from fhenn.interop.model import Wanted
    from fhenn.interop.onnx import read

    wanted = Wanted(inputs, bounds, margin, accuracy, Goal(agreement, depth, labels, max_loss))
    return read(path_or_model, classes).model(wanted, domain)
