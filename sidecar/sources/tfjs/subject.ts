import type { Source } from "../../graph/graph";
import type { TracedInput } from "../inputs";
import type { tf } from "./tensorflow";

/** What is traced: a model or a function, in terms that tracing needs. */
export interface Subject {
  readonly inputs: readonly TracedInput[];
  /** Parameters and buffers by the model's own account. */
  readonly weights: readonly Weight[];
  /** Whether weights that are not used are left out, as a function's variables are. */
  readonly onlyUsedWeights: boolean;
  /** The one number of examples that the model accepts, where it is frozen. */
  readonly frozenBatch: number | null;
  /** Whether it is made of layers, which are told apart. */
  readonly isLayered: boolean;
  /** Where the model is made, for what concerns it as a whole. */
  readonly source: Source | null;
  call(inputs: tf.Tensor[]): Promise<NamedTensor[]> | NamedTensor[];
}

export interface NamedTensor {
  readonly name: string;
  readonly tensor: tf.Tensor;
}

export interface Weight {
  readonly name: string;
  readonly role: "parameter" | "buffer";
  readonly trainable: boolean;
  readonly source: Source | null;
  /** The layer's own account of the weight, where it is a layer's. */
  readonly layerWeight: tf.LayerVariable | null;
  /** The array with the weight's value. */
  readonly tensor: tf.Tensor;
  /** Puts another tensor in the weight's place; the result puts the weight back. */
  replace(tensor: tf.Tensor): () => void;
}

/** A variable as a weight. Its value is swapped by its array, as user code holds the variable itself. */
export function variableWeight(
  variable: tf.Variable,
  parts: Pick<Weight, "name" | "role" | "trainable" | "source" | "layerWeight">,
): Weight {
  return {
    ...parts,
    tensor: variable,
    replace(tensor) {
      const { dataId } = variable;
      variable.dataId = tensor.dataId;
      return () => (variable.dataId = dataId);
    },
  };
}
