import { argument } from "../../sidecar/graph/builder";
import type { Graph, Source } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import type { DType, Shape } from "../../sidecar/graph/types";
import type { AttributesOf, PrimitiveName } from "../../sidecar/primitives/attributes";
import { newBuilder } from "../../sidecar/primitives/index";

/** A graph of one equation, whose inputs have the types of the given arrays. */
export function singleGraph<K extends PrimitiveName>(
  primitive: K,
  inputs: readonly Pick<Tensor, "shape" | "dtype">[],
  attributes: AttributesOf[K],
  source: Source | null = null,
): Graph {
  const builder = newBuilder();
  const members = inputs.map(({ shape, dtype }, index) => argument(`x${index}`, shape, dtype));
  const values = members.map((member) => member.value);
  const outputs = builder.at(source, () => builder.emit(primitive, values, attributes));
  return builder.build({ inputs: members, outputs });
}

export function floats(shape: Shape, elements: readonly number[]): Tensor {
  return { shape, dtype: "float32", data: Float32Array.from(elements) };
}

export function integers(shape: Shape, elements: readonly number[]): Tensor {
  return { shape, dtype: "int32", data: Int32Array.from(elements) };
}

export function booleans(shape: Shape, elements: readonly number[]): Tensor {
  return { shape, dtype: "bool", data: Uint8Array.from(elements) };
}

export function tensorOf(dtype: DType, shape: Shape, elements: readonly number[]): Tensor {
  if (dtype === "int32") return integers(shape, elements);
  if (dtype === "bool") return booleans(shape, elements);
  return floats(shape, elements);
}
