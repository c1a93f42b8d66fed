import type * as core from "@tensorflow/tfjs-core";
import type { Source } from "../../../graph/graph";
import type { ValueType } from "../../../graph/types";

/** TensorFlow.js: this process's own copy, or the one that a native package brings. */
export type Tf = typeof core;
export type TfTensor = core.Tensor;
export type Tensor4D = core.Tensor4D;
export type Tensor5D = core.Tensor5D;

/** Computes a primitive's one output. Runs within `tf.tidy`, which frees what is made on the way. */
export type Lowering<A> = (
  tf: Tf,
  inputs: readonly TfTensor[],
  attributes: A,
  output: ValueType,
  source: Source | null,
) => TfTensor;
