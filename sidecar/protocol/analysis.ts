import type { Source } from "../graph/graph";
import type { DType, Shape } from "../graph/types";

/** What is known of a model without running it: plain data, the JSON that `kernelscope analyze --json` prints. */
export interface Analysis {
  readonly model: {
    readonly file: string;
    readonly export: string | null;
    readonly format: string;
    readonly examplesCoupled: boolean;
    readonly framework: string;
    /** Where the model is made, or else bound. */
    readonly source: Place | null;
  };
  /** Number of examples. */
  readonly batch: number;
  readonly inputs: readonly ArrayInfo[];
  readonly outputs: readonly ArrayInfo[];
  readonly parameters: readonly ParameterAnalysis[];
  readonly buffers: readonly ArrayInfo[];
  /** In the order in which they were called; a layer that is called twice is listed once. Empty for plain functions. */
  readonly layers: readonly LayerAnalysis[];
  /** Files of the user's own whose code was run to make the model, itself first. */
  readonly files: readonly string[];
  /**
   * With respect to all trainable parameters together: shape [N, ...output, P]. Several outputs are flattened and counted
   * together: [N, O, P].
   */
  readonly jacobian: { readonly shape: Shape; readonly bytes: number };
  readonly strategies: readonly never[];
  readonly ntk: readonly never[];
  readonly fallbacks: readonly never[];
  readonly device: DeviceInfo;
  readonly diagnostics: readonly Diagnostic[];
}

/** With the batch axis, for inputs and outputs. */
export interface ArrayInfo {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface ParameterAnalysis extends ArrayInfo {
  readonly elements: number;
  readonly bytes: number;
  readonly trainable: boolean;
  readonly source: Place | null;
  /** [N, ...output, ...parameter]. Frozen parameters have one too, but it is not part of the total. */
  readonly jacobian: { readonly shape: Shape; readonly bytes: number };
}

/** A layer of the model, and its share of the Jacobian. */
export interface LayerAnalysis {
  /** With the names of the models that it is in: `block_1/conv`. */
  readonly name: string;
  /** `Conv2D` */
  readonly kind: string;
  readonly source: Place | null;
  /** The lines that led there, where functions of the user's own make layers: innermost first. */
  readonly callers: readonly Place[];
  /** With the batch axis. */
  readonly outputs: readonly Shape[];
  /** Names of its trainable and frozen parameters, among those of the model. */
  readonly parameters: readonly string[];
}

export type Place = Pick<Source, "file" | "line" | "column">;

export interface DeviceInfo {
  readonly name: string;
  readonly memoryBytes: number;
  readonly detected: boolean;
}

export interface Diagnostic {
  readonly severity: "error" | "warning" | "information";
  readonly code: string;
  readonly message: string;
  readonly source: Place | null;
}
