"""The graph of all-MiniLM-L6-v2, written with ONNX operators around the published weights.

Runs as a program, in a process of its own, so that what it takes (some 600 MB and two heavy
imports) is given back when it ends: `python -m adapters.embedding.minilm_graph IN OUT`.
Nothing that serves imports this module.

The architecture is BERT (Devlin et al., 2019) with 6 layers of 12 heads, then mean pooling and
normalisation as in Sentence-BERT (Reimers and Gurevych, 2019). One text per inference: without
a batch there is no padding and no mask, and no text can influence the vector of another (the
activations of a batch would share one quantization scale).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file

from adapters.embedding.minilm_file import STAGE
from adapters.embedding.minilm_weights import DIMENSIONS, TOKENS_MAX

LAYERS = 6
HEADS = 12

_OPERATORS_VERSION = 20
_FORMAT_VERSION = 10


def main() -> None:
    tensors, target = sys.argv[1:]
    logging.disable()  # the quantizer recommends a preprocessing that this graph does not need
    _announce("building the graph of the embedding model")
    model = full_precision(load_file(tensors))
    _announce("quantizing the embedding model")
    # Scales per channel: one per matrix costs ten times the error. Seven bits of eight: without
    # it, processors that lack VNNI instructions saturate, and vectors differ between machines.
    quantize_dynamic(
        model,
        target,
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"],
        extra_options={"MatMulConstBOnly": True},
    )


def full_precision(weights: Mapping[str, Any]) -> onnx.ModelProto:
    """`tokens` int64 [n], n at most TOKENS_MAX -> `vector` float32 [DIMENSIONS], unit length."""
    graph = _Graph(weights)
    hidden = _embedded_tokens(graph)
    for layer in range(LAYERS):
        hidden = _layer(graph, hidden, f"encoder.layer.{layer}.")
    pooled = graph.add("ReduceMean", hidden, graph.constant([0]), keepdims=0)
    graph.add("LpNormalization", pooled, axis=-1, p=2, name="vector")
    return graph.model()


def _embedded_tokens(graph: _Graph) -> str:
    words = graph.weight("embeddings.word_embeddings.weight")
    # A single text is all of one segment: its embedding is a constant, added to the positions.
    positions = graph.constant(
        graph.weights["embeddings.position_embeddings.weight"][:TOKENS_MAX]
        + graph.weights["embeddings.token_type_embeddings.weight"][0]
    )
    length = graph.add("Shape", "tokens")
    position = graph.add("Slice", positions, graph.constant([0]), length)
    embedded = graph.add("Add", graph.add("Gather", words, "tokens"), position)
    return graph.normalized(embedded, "embeddings.LayerNorm")


def _layer(graph: _Graph, hidden: str, name: str) -> str:
    attended = graph.dense(_attention(graph, hidden, name), f"{name}attention.output.dense")
    hidden = graph.normalized(
        graph.add("Add", attended, hidden), f"{name}attention.output.LayerNorm"
    )
    wide = graph.add("Gelu", graph.dense(hidden, f"{name}intermediate.dense"))
    narrow = graph.dense(wide, f"{name}output.dense")
    return graph.normalized(graph.add("Add", narrow, hidden), f"{name}output.LayerNorm")


def _attention(graph: _Graph, hidden: str, name: str) -> str:
    split = graph.constant([0, HEADS, DIMENSIONS // HEADS])

    def heads(role: str, order: list[int]) -> str:
        projected = graph.dense(hidden, f"{name}attention.self.{role}")
        return graph.add("Transpose", graph.add("Reshape", projected, split), perm=order)

    query, key, value = (
        heads("query", [1, 0, 2]),
        heads("key", [1, 2, 0]),
        heads("value", [1, 0, 2]),
    )
    scale = graph.constant(np.float32((DIMENSIONS // HEADS) ** -0.5))
    scores = graph.add("Mul", graph.add("MatMul", query, key), scale)
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
    together = graph.add("Transpose", mixed, perm=[1, 0, 2])
    return graph.add("Reshape", together, graph.constant([0, DIMENSIONS]))


class _Graph:
    """Nodes and constants in the making; every method returns the name of what it adds."""

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self.weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"{operator}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def constant(self, values: Any, name: str = "") -> str:
        name = name or f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(self.weights[name], name)

    def dense(self, hidden: str, name: str) -> str:
        matrix = self.constant(self.weights[f"{name}.weight"].T, f"{name}.weight")
        return self.add("Add", self.add("MatMul", hidden, matrix), self.weight(f"{name}.bias"))

    def normalized(self, hidden: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", hidden, scale, bias, axis=-1, epsilon=1e-12)

    def model(self) -> onnx.ModelProto:
        tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["length"])
        vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [DIMENSIONS])
        graph = helper.make_graph(self._nodes, "minilm", [tokens], [vector], self._constants)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPERATORS_VERSION)],
            ir_version=_FORMAT_VERSION,
        )


def _announce(stage: str) -> None:
    sys.stdout.write(f"{STAGE}{stage}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
