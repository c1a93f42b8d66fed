import type { Graph, Source } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import type { DType, Shape } from "../graph/types";
import type { PytorchAnalysis } from "../protocol/analysis";

export interface Port {
  readonly name: string;
  /** Shape of one example (without the batch axis). */
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface ParameterInfo {
  /** As in `graph.parameters`, the model's own name: `conv1.weight`, `dense_1/kernel`. */
  readonly name: string;
  /** Parameters of frozen layers are shown but left out of Jacobians. */
  readonly trainable: boolean;
  /** For a layer's parameter, the line that constructed the layer; for a variable, the line that made it. */
  readonly source: Source | null;
}

/** A layer of a layers model. */
export interface LayerInfo {
  /** With the names of the models and layers that it is in: `block_1/conv`. */
  readonly name: string;
  /** Its class: `Conv2D`. */
  readonly kind: string;
  /** The line that constructed it. */
  readonly source: Source | null;
  /** The lines that led there, where functions of the user's own make layers: innermost first. */
  readonly callers: readonly Source[];
  /** Of one example, as the layer was called first. */
  readonly outputs: readonly Shape[];
  /** Names of its own parameters, among the model's. */
  readonly parameters: readonly string[];
}

/** A module, or a layer, that others are in. */
export interface ModuleInfo {
  /** Among all of the model: `layers.0.conv`. */
  readonly path: string;
  /** Its class: `Conv2d`. Empty where the file does not say. */
  readonly kind: string;
}

/** An operation as the model's file, or its framework, has it: one equation of the graph, or several. */
export interface OperationInfo {
  /** The file's own name of it: `/conv1/Conv`, `conv2d_1`; of code its kernel, `MatMul`. */
  readonly name: string;
  /** `Conv`, `aten.conv2d`; empty where that is its name. */
  readonly kind: string;
  /** The modules that it is in, outermost first. */
  readonly modules: readonly ModuleInfo[];
  readonly source: Source | null;
  /** Of one example. */
  readonly outputs: readonly Shape[];
  /** Positions of its equations in the graph. */
  readonly equations: readonly number[];
}

/** Whether the examples of a batch are independent of one another. */
export type BatchInfo =
  | { readonly coupled: false }
  | {
      readonly coupled: true;
      /** The number of examples that `graph` is the function of. */
      readonly size: number;
      /** What mixes the examples, in a sentence's words: "batch normalisation uses the batch's own mean". */
      readonly reason: string;
      readonly source: Source | null;
    };

/** Something wrong with a batching rule of the user's own: a sentence, and the rule's place. */
export interface RuleProblem {
  readonly message: string;
  readonly source: Source | null;
}

/** A model file, read: its graph, and all that is known of it. Plain data. */
export interface Model {
  readonly file: string;
  /** The top-level binding, for a code file. */
  readonly export: string | null;
  readonly format: "tfjs-code" | "tfjs-layers" | "tfjs-graph" | "onnx" | "torch-export" | "torch-code";
  /** Where the model is made, or else bound. */
  readonly source: Source | null;
  /**
   * Files of the user's own that make the model, itself first: code that was bundled with it, its weights, batching rules.
   * Packages are left out.
   */
  readonly files: readonly string[];
  /** "TensorFlow.js 4.22.0" */
  readonly framework: string;
  /**
   * The function of ONE example, without a batch axis, where examples are independent; else of `batch.size` examples,
   * with the batch axis first. Its inputs, parameters and buffers have the names given here, in the same order.
   */
  readonly graph: Graph;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly parameters: readonly ParameterInfo[];
  /**
   * Those of a layers model, in the order in which they are called, as in its summary. Each parameter belongs to exactly
   * one: a cell's to its recurrent layer. What only holds other layers is left out.
   */
  readonly layers: readonly LayerInfo[];
  /** Those that have equations in the graph, in the order in which they run. */
  readonly operations: readonly OperationInfo[];
  readonly batch: BatchInfo;
  /** What is wrong with the batching rules that were given. */
  readonly ruleProblems?: readonly RuleProblem[];
  /** What else the user should know of how the model was read, in sentences that begin in lower case. */
  readonly notes?: readonly string[];
  /** Where the user's own PyTorch was asked. */
  readonly pytorch?: PytorchAnalysis;
  /** Values of parameters and buffers, by name. */
  readonly weights: Readonly<Record<string, Tensor>>;
}
