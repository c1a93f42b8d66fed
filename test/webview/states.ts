import type {
  Analysis,
  BufferAnalysis,
  DeviceInfo,
  LayerAnalysis,
  ParameterAnalysis,
  StrategyAnalysis,
} from "../../sidecar/protocol/analysis";
import type { MemoryPlan } from "../../sidecar/protocol/messages";
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

const mebibyte = 2 ** 20;

export const devices: readonly DeviceInfo[] = [
  { name: "NVIDIA A10", memoryBytes: 24 * gibibyte, detected: true, kind: "card", reservedBytes: 512 * mebibyte },
  { name: "CPU (2 cores)", memoryBytes: 8 * gibibyte, detected: true, kind: "host", reservedBytes: 0 },
  { name: "Tesla V100 16GB", memoryBytes: 16 * gibibyte, detected: false, kind: "card", reservedBytes: 512 * mebibyte },
  { name: "A100 80GB", memoryBytes: 80 * gibibyte, detected: false, kind: "card", reservedBytes: 512 * mebibyte },
];

/** Of these sizes in MiB, the arguments 64 of them, with two arrays that are alive over one another. */
export function strategyOf(
  strategy: StrategyAnalysis["strategy"],
  live: readonly number[],
  change: Partial<StrategyAnalysis> = {},
): StrategyAnalysis {
  const peakBytes = Math.max(...live) * mebibyte;
  const last = live.length - 1;
  const buffers: BufferAnalysis[] = [
    {
      bytes: peakBytes / 2,
      shape: [100, 10, 11, 11, 64],
      operation: "conv_general_dilated",
      parameter: null,
      source: { file, line: 10, column: 3 },
      layer: "conv_2",
      callers: [{ file, line: 22, column: 5 }],
      share: 0.5,
      from: 1,
      to: last - 1,
    },
    {
      bytes: peakBytes / 8,
      shape: [100, 10, 1600, 10],
      operation: "dot_general",
      parameter: "logits/kernel",
      source: null,
      layer: "logits",
      callers: [{ file, line: 14, column: 3 }],
      share: 0.125,
      from: 2,
      to: last,
    },
  ];
  return {
    strategy,
    chunk: null,
    peakBytes,
    resultBytes: 132 * mebibyte,
    argumentBytes: 64 * mebibyte,
    workspaceBytes: 0,
    flops: 1e9,
    movedBytes: 1e9,
    iterations: 1,
    fits: true,
    recommended: false,
    largest: buffers[0],
    buffers,
    largestChunkThatFits: null,
    chunkingHelps: false,
    timeline: live.map((mebibytes, moment) => ({
      liveBytes: mebibytes * mebibyte,
      operation: ["reshape", "conv_general_dilated", "dot_general", "add"][moment % 4],
      line: 8 + moment,
    })),
    ...change,
  };
}

/** Of `digits` on its device: one way does not fit whole, the best has an engine that holds arrays of its own. */
export const digitsPlan: MemoryPlan = {
  batch: 100,
  device: devices[0],
  strategies: [
    strategyOf("jacrev", [64, 40_000, 60_000, 9000], { fits: false, flops: 96e9, chunkingHelps: true }),
    strategyOf("vmap(jacrev)", [64, 1024, 2048, 1024, 192], { workspaceBytes: 512 * mebibyte, recommended: true }),
    strategyOf("vmap(jacfwd)", [64, 4_000_000, 900_000, 192], { fits: false, flops: 4700e9 }),
    strategyOf("grad-loop", [64, 1600, 1500, 192], { flops: 1.3e9, iterations: 1000 }),
    strategyOf("jacrev", [64, 20_000, 22_000, 192], {
      chunk: 250,
      flops: 96e9,
      iterations: 4,
      largestChunkThatFits: 250,
    }),
  ],
  fallbacks: [],
  fault: null,
  isWhole: true,
};

/** As an analysis has them: without timelines. */
export const digitsStrategies = digitsPlan.strategies.map((strategy) => ({ ...strategy, timeline: [], buffers: [] }));

export const model = { uri: "file:///project/models/digits.ts", export: "model" };

export function stateOf(
  analysis: Analysis | null,
  change: Partial<Omit<PanelState, "model">> & { model?: Partial<PanelState["model"]> } = {},
): PanelState {
  return {
    place: "panel",
    title: "digits.ts#model",
    batch: 100,
    device: analysis?.device ?? null,
    devices: [],
    chosen: null,
    runs: [],
    staleKernels: [],
    trusted: true,
    running: true,
    ...change,
    model: {
      ...model,
      kind: "model",
      takes: [],
      inputs: [],
      isPart: false,
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
    result: {
      kind: "jacobian",
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
  },
  { ...run, id: "second", status: "failed", started: "2026-03-01T09:05:00Z", result: null, message: "Out of memory." },
  { ...run, id: "third", status: "running", started: "2026-03-01T09:10:00Z", fraction: 0.42, result: null },
];

function product(extents: readonly number[]): number {
  return extents.reduce((total, extent) => total * extent, 1);
}
