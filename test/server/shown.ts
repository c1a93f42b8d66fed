import type {
  Analysis,
  BufferAnalysis,
  LayerAnalysis,
  ParameterAnalysis,
  Place,
  StrategyAnalysis,
} from "../../sidecar/protocol/analysis";
import type { ModelState } from "../../sidecar/protocol/messages";
import type { Shown } from "../../sidecar/server/features/shown";

/** Models by hand, as features see them. */

export const FILE = "/models/net.ts";

export const at = (line: number, file = FILE, column = 3): Place => ({ file, line, column });

const BATCH = 100;
const OUTPUTS = 10;

/** A parameter of a model with ten outputs, for 100 examples, in float32. */
export function parameter(name: string, shape: number[], more: Partial<ParameterAnalysis> = {}): ParameterAnalysis {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  return {
    name,
    shape,
    dtype: "float32",
    elements,
    bytes: 4 * elements,
    trainable: true,
    source: null,
    jacobian: { shape: [BATCH, OUTPUTS, ...shape], bytes: BATCH * OUTPUTS * elements * 4 },
    ...more,
  };
}

export function layer(name: string, line: number | null, more: Partial<LayerAnalysis> = {}): LayerAnalysis {
  return {
    name,
    kind: "Dense",
    source: line === null ? null : at(line),
    callers: [],
    outputs: [[BATCH, 8]],
    parameters: [],
    ...more,
  };
}

export function analysis(more: Partial<Analysis> = {}): Analysis {
  const { parameters = [] } = more;
  const elements = parameters.reduce((sum, { elements, trainable }) => sum + (trainable ? elements : 0), 0);
  return {
    model: {
      file: FILE,
      export: "model",
      format: "tfjs",
      examplesCoupled: false,
      framework: "TensorFlow.js",
      source: at(2),
    },
    batch: BATCH,
    inputs: [{ name: "x", shape: [BATCH, 4], dtype: "float32" }],
    outputs: [{ name: "y", shape: [BATCH, OUTPUTS], dtype: "float32" }],
    parameters,
    buffers: [],
    layers: [],
    files: [FILE],
    jacobian: { shape: [BATCH, OUTPUTS, elements], bytes: BATCH * OUTPUTS * elements * 4 },
    strategies: [],
    ntk: [],
    fallbacks: [],
    device: { name: "Tesla V100 16GB", memoryBytes: 16 * 2 ** 30, detected: false },
    diagnostics: [],
    ...more,
  };
}

export const GiB = 2 ** 30;

/** A way to compute the Jacobian, which does not fit unless `more` says so. */
export function way(
  strategy: StrategyAnalysis["strategy"],
  chunk: number | null,
  peakBytes: number,
  more: Partial<StrategyAnalysis> = {},
): StrategyAnalysis {
  return {
    strategy,
    chunk,
    peakBytes,
    resultBytes: 1024,
    argumentBytes: 1024,
    workspaceBytes: 0,
    flops: 1e9,
    movedBytes: 1e9,
    iterations: 1,
    fits: false,
    recommended: false,
    largest: null,
    buffers: [],
    largestChunkThatFits: null,
    chunkingHelps: false,
    timeline: [],
    ...more,
  };
}

/** An array of a gibibyte that the layer `a` makes. */
export function buffer(more: Partial<BufferAnalysis> = {}): BufferAnalysis {
  return {
    bytes: GiB,
    shape: [100, 10, 268_435],
    operation: "dot_general",
    parameter: null,
    source: at(3),
    layer: "a",
    callers: [],
    share: 0.25,
    from: 0,
    to: 3,
    ...more,
  };
}

/** A model bound on line 2. Its places are where they were, unless `moved` tells otherwise. */
export function shown(
  state: Partial<ModelState>,
  {
    path = FILE,
    chosen = null,
    moved = (place) => place,
    faultMoved = (place) => place,
  }: {
    path?: string;
    chosen?: Shown["chosen"];
    moved?: (place: Place) => Place | null;
    faultMoved?: (place: Place) => Place | null;
  } = {},
): Shown {
  return {
    path,
    chosen,
    place: (place) => place && moved(place),
    faultPlace: (place) => place && faultMoved(place),
    state: {
      uri: `file://${path}`,
      export: "model",
      kind: "model",
      takes: [],
      inputs: [],
      isPart: false,
      line: 2,
      activity: "idle",
      planning: false,
      analysis: null,
      stale: null,
      fault: null,
      milliseconds: null,
      digests: {},
      ...state,
    },
  };
}

/** Two dense layers on lines 3 and 4, the second without a bias. */
export function twoLayers(more: Partial<Analysis> = {}): Analysis {
  return analysis({
    parameters: [parameter("a/kernel", [4, 8]), parameter("a/bias", [8]), parameter("b/kernel", [8, 10])],
    layers: [
      layer("a", 3, { parameters: ["a/kernel", "a/bias"] }),
      layer("b", 4, { parameters: ["b/kernel"], outputs: [[100, 10]] }),
    ],
    ...more,
  });
}
