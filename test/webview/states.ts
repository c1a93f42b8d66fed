import type { Analysis, LayerAnalysis, ParameterAnalysis } from "../../sidecar/protocol/analysis";
import type { PanelState, RunState } from "../../sidecar/protocol/panel";

/** States of a panel, as the extension would send them. */

const file = "/project/models/digits.ts";
const gibibyte = 2 ** 30;

export function parameter(
  name: string,
  shape: readonly number[],
  {
    trainable = true,
    line = 10,
    outputs = [10],
  }: { trainable?: boolean; line?: number; outputs?: readonly number[] } = {},
): ParameterAnalysis {
  const elements = product(shape);
  const jacobian = [100, ...outputs, ...shape];
  return {
    name,
    shape,
    dtype: "float32",
    elements,
    bytes: 4 * elements,
    trainable,
    source: { file, line, column: 3 },
    jacobian: { shape: jacobian, bytes: 4 * product(jacobian) },
  };
}

function layer(
  name: string,
  kind: string,
  line: number,
  output: readonly number[],
  parameters: readonly string[] = [],
): LayerAnalysis {
  return { name, kind, source: { file, line, column: 3 }, callers: [], outputs: [[100, ...output]], parameters };
}

/** An analysis of these parameters with respect to ten outputs of 100 examples. */
export function analysisOf(
  parameters: readonly ParameterAnalysis[],
  layers: readonly LayerAnalysis[],
  change: Partial<Analysis> = {},
): Analysis {
  const trainable = parameters.filter((one) => one.trainable);
  const total = trainable.reduce((sum, { elements }) => sum + elements, 0);
  return {
    model: {
      file,
      export: "model",
      format: "tfjs-code",
      examplesCoupled: false,
      framework: "TensorFlow.js 4.22.0",
      source: { file, line: 16, column: 14 },
    },
    batch: 100,
    inputs: [{ name: "image", shape: [100, 28, 28, 1], dtype: "float32" }],
    outputs: [{ name: "logits", shape: [100, 10], dtype: "float32" }],
    parameters,
    buffers: [],
    layers,
    files: [file],
    jacobian: { shape: [100, 10, total], bytes: 4000 * total },
    strategies: [],
    ntk: [],
    fallbacks: [],
    device: { name: "NVIDIA A10", memoryBytes: 24 * gibibyte, detected: true },
    diagnostics: [],
    ...change,
  };
}

/** A small convolutional net with a frozen layer, a variable of its own, and something to be said of it. */
export const digits = analysisOf(
  [
    parameter("conv_1/kernel", [3, 3, 1, 32], { trainable: false, line: 8 }),
    parameter("conv_1/bias", [32], { trainable: false, line: 8 }),
    parameter("conv_2/kernel", [3, 3, 32, 64], { line: 10 }),
    parameter("conv_2/bias", [64], { line: 10 }),
    parameter("norm/gamma", [64], { line: 11 }),
    parameter("norm/beta", [64], { line: 11 }),
    parameter("logits/kernel", [1600, 10], { line: 14 }),
    parameter("logits/bias", [10], { line: 14 }),
    parameter("temperature", [1], { line: 5 }),
  ],
  [
    layer("conv_1", "Conv2D", 8, [26, 26, 32], ["conv_1/kernel", "conv_1/bias"]),
    layer("pool_1", "MaxPooling2D", 9, [13, 13, 32]),
    layer("conv_2", "Conv2D", 10, [11, 11, 64], ["conv_2/kernel", "conv_2/bias"]),
    layer("norm", "BatchNormalization", 11, [11, 11, 64], ["norm/gamma", "norm/beta"]),
    layer("flatten", "Flatten", 13, [1600]),
    layer("logits", "Dense", 14, [10], ["logits/kernel", "logits/bias"]),
  ],
  {
    buffers: [
      { name: "norm/moving_mean", shape: [64], dtype: "float32" },
      { name: "norm/moving_variance", shape: [64], dtype: "float32" },
    ],
    diagnostics: [
      {
        severity: "information",
        code: "frozen-parameters",
        message: "2 frozen parameters are not part of the Jacobian's total.",
        source: null,
      },
      {
        severity: "warning",
        code: "opaque-operation",
        message: "Multinomial runs in TensorFlow.js itself: Kernelscope cannot look into it.",
        source: { file, line: 12, column: 7 },
      },
    ],
  },
);

export function manyParameters(count: number): Analysis {
  const parameters = Array.from({ length: count }, (_, index) =>
    parameter(`block_${index}/kernel`, [1, 1, 8 + (index % 5), 16], { line: index + 1 }),
  );
  const layers = parameters.map(({ name }, index) => layer(`block_${index}`, "Conv2D", index + 1, [7, 7, 16], [name]));
  return analysisOf(parameters, layers);
}

export const model = { uri: "file:///project/models/digits.ts", export: "model" };

export function stateOf(
  analysis: Analysis | null,
  change: Partial<Omit<PanelState, "model">> & { model?: Partial<PanelState["model"]> } = {},
): PanelState {
  return {
    title: "digits.ts#model",
    batch: 100,
    device: analysis?.device ?? null,
    devices: [],
    chosen: null,
    runs: [],
    trusted: true,
    running: true,
    ...change,
    model: {
      ...model,
      kind: "model",
      takes: [],
      line: 16,
      activity: "idle",
      analysis,
      planning: false,
      stale: null,
      fault: null,
      milliseconds: 430,
      digests: {},
      ...change.model,
    },
  };
}

const run = {
  model,
  title: "Jacobian of model, 100 examples",
  fraction: 1,
  out: "/project/out/digits.npz",
  message: null,
};

export const runs: readonly RunState[] = [
  {
    ...run,
    id: "first",
    status: "done",
    started: "2026-03-01T09:00:00Z",
    summary: {
      shape: [100, 10, 34_635],
      strategy: "vmap(jacrev)",
      chunk: 25,
      batch: 100,
      blocks: [
        { name: "conv_2/kernel", shape: [100, 10, 3, 3, 32, 64], dtype: "float32" },
        { name: "logits/kernel", shape: [100, 10, 1600, 10], dtype: "float32" },
      ],
      engine: "onnxruntime",
      device: "CPU",
      seconds: 4.21,
      measuredPeakBytes: 700 * 2 ** 20,
    },
  },
  { ...run, id: "second", status: "failed", started: "2026-03-01T09:05:00Z", summary: null, message: "Out of memory." },
  { ...run, id: "third", status: "running", started: "2026-03-01T09:10:00Z", fraction: 0.42, summary: null },
];

function product(extents: readonly number[]): number {
  return extents.reduce((total, extent) => total * extent, 1);
}
