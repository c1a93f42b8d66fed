import type {
  ExamplesInfo,
  KernelArrangement,
  KernelAxis,
  KernelInfo,
  KernelRange,
  KernelTile,
  KernelTileRequest,
  KernelView,
  LearningCurve,
  LearningPrediction,
} from "../../sidecar/protocol/ntk";
import type { KernelSource } from "../../webview/kernel/source";

/** Kernels that are made up, for the panel's tests: any pair of examples is known at once, and so are means of many. */

export interface SyntheticOptions {
  readonly id?: string;
  readonly title?: string;
  readonly count?: number;
  readonly columns?: number;
  readonly classes?: readonly string[];
  readonly outputs?: number;
  readonly form?: KernelInfo["form"];
  /** Whether there are negative numbers. */
  readonly signed?: boolean;
  /** Makes another kernel of the same examples. */
  readonly phase?: number;
  /** Pairs of which both examples are below it are known; the others not yet. */
  readonly known?: number;
  readonly change?: Partial<KernelInfo>;
}

export interface SyntheticSource extends KernelSource {
  /** What was asked for. */
  readonly requests: KernelTileRequest[];
  /** How many requests were given up. */
  aborted: number;
  /** Answers wait so long, in milliseconds. */
  delay: number;
  /** Requests are refused with this sentence. */
  refusal: string | null;
  info: KernelInfo;
  known: number;
}

export function syntheticSource({
  id = "k1",
  title = "residual-net.ts#model",
  count = 60,
  columns,
  classes = ["plane", "car", "bird", "cat", "deer"],
  outputs = 3,
  form = "full",
  signed = false,
  phase = 0,
  known = Infinity,
  change = {},
}: SyntheticOptions = {}): SyntheticSource {
  const x1 = examples(count, classes);
  const x2 = columns === undefined ? null : examples(columns, classes);
  const wide = columns ?? count;
  const side = Math.max(count, wide);
  const orders = { given: givenOrder(side), class: classOrder(side, classes) };
  const waves = (trig: (angle: number) => number, shift: number): Float64Array =>
    Float64Array.from({ length: side }, (_, place) => trig(place * 0.9 + shift));
  const sine = waves(Math.sin, phase);
  const cosine = waves(Math.cos, 0);
  const valueOf = (row: number, column: number, view: KernelView): number => {
    if (row >= source.known || column >= source.known) return NaN;
    const alike = row % classes.length === column % classes.length ? 1 : 0.25;
    const texture = 1 + 0.25 * (sine[row] * cosine[column] + sine[column] * cosine[row]);
    const decay = Math.exp(-Math.abs(row - column) / (0.6 * side));
    const mixed = view === "trace" || view.row === view.column ? 1 : 0.3 * Math.cos(view.row - view.column);
    const value = 4 * alike * texture * decay * mixed + (row === column ? 4 * mixed : 0);
    return signed ? value - 1.4 : value;
  };
  const source: SyntheticSource = {
    requests: [],
    aborted: 0,
    delay: 0,
    refusal: null,
    known,
    info: {
      id,
      model: { uri: "file:///models/residual-net.ts", export: "model" },
      title,
      part: null,
      form,
      trace: form === "trace" ? "mean" : null,
      method: "structured",
      x1,
      x2,
      outputs,
      status: "done",
      fraction: 1,
      version: 1,
      layers: [
        { parameter: "conv1.weight", share: 0.31 },
        { parameter: "conv1.bias", share: 0.02 },
        { parameter: "block1.conv.weight", share: 0.22 },
        { parameter: "block2.conv.weight", share: 0.18 },
        { parameter: "head.weight", share: 0.262 },
        { parameter: "head.bias", share: 0.008 },
      ],
      spectrum: {
        eigenvalues: Array.from({ length: Math.min(256, count) }, (_, index) => 300 * (index + 1) ** -1.7),
        count: count * (form === "full" ? outputs : 1),
        conditionNumber: 48_200,
        effectiveRank: 7.31,
        alignment: 0.412,
        largestLearningRate: 0.00667,
      },
      curve: null,
      noClusters: null,
      message: null,
      ...change,
    },
    tile: async (request, signal) => {
      source.requests.push(request);
      if (source.delay > 0) await new Promise((done) => setTimeout(done, source.delay));
      if (signal.aborted) source.aborted++;
      if (source.refusal !== null) throw new Error(source.refusal);
      const order = typeof request.order === "string" ? orders[request.order] : orders.class;
      return tileOf(request, count, wide, source, (row, column) =>
        valueOf(order.examples[row], order.examples[column], request.view),
      );
    },
    entry: (request) => {
      const block = Float32Array.from({ length: outputs * outputs }, (_, at) =>
        valueOf(request.row, request.column, { row: Math.floor(at / outputs), column: at % outputs }),
      );
      const value = valueOf(request.row, request.column, request.view);
      const diagonal = Float32Array.from({ length: outputs }, (_, at) => block[at * outputs + at]);
      const own = { full: block, diagonal, trace: Float32Array.of(value) }[form];
      return Promise.resolve({
        ...request,
        value: Number.isNaN(value) ? null : value,
        block: Number.isNaN(value) ? null : own,
      });
    },
    arrangement: (request): Promise<KernelArrangement> => {
      const order = typeof request.order === "string" ? orders[request.order] : orders.class;
      const cut = (axis: KernelAxis, length: number): KernelAxis =>
        length === side
          ? axis
          : { examples: Uint32Array.from([...axis.examples].filter((example) => example < length)), groups: [] };
      return Promise.resolve({
        ...request,
        rows: cut(order, count),
        columns: columns === undefined ? null : cut(order, wide),
      });
    },
  };
  return source;
}

function examples(count: number, classes: readonly string[]): ExamplesInfo {
  const labels = Array.from({ length: count }, (_, example) => example % classes.length);
  return { count, names: labels.map((label, example) => `${classes[label]}-${example}.png`), labels, classes };
}

function givenOrder(count: number): KernelAxis {
  return { examples: Uint32Array.from({ length: count }, (_, place) => place), groups: [] };
}

function classOrder(count: number, classes: readonly string[]): KernelAxis {
  const places = Array.from({ length: count }, (_, place) => place);
  const ofClass = classes.map((_, label) => places.filter((example) => example % classes.length === label));
  const ends = ofClass.map((_, label) => ofClass.slice(0, label + 1).flat().length);
  return {
    examples: Uint32Array.from(ofClass.flat()),
    groups: classes.map((label, index) => ({ label, from: ends[index] - ofClass[index].length, to: ends[index] })),
  };
}

/** Means of many pairs are taken of a few of them. */
function tileOf(
  request: KernelTileRequest,
  rows: number,
  columns: number,
  { info }: SyntheticSource,
  value: (row: number, column: number) => number,
): KernelTile {
  const side = 2 ** request.level;
  const length = (count: number, tile: number): number => Math.min(256, Math.ceil(count / side) - 256 * tile);
  const [height, width] = [length(rows, request.row), length(columns, request.column)];
  const samples = Math.min(side, 2);
  const values = new Float32Array(height * width);
  let [min, max, smallest] = [Infinity, -Infinity, Infinity];
  for (let at = 0; at < values.length; at++) {
    const row = (request.row * 256 + Math.floor(at / width)) * side;
    const column = (request.column * 256 + (at % width)) * side;
    let sum = 0;
    let known = 0;
    for (let sample = 0; sample < samples * samples; sample++) {
      const y = row + Math.floor(sample / samples);
      const x = column + (sample % samples);
      const one = y < rows && x < columns ? value(y, x) : NaN;
      if (Number.isNaN(one)) continue;
      sum += one;
      known++;
      min = Math.min(min, one);
      max = Math.max(max, one);
      if (one !== 0) smallest = Math.min(smallest, Math.abs(one));
    }
    values[at] = known > 0 ? sum / known : NaN;
  }
  const range: KernelRange | null = min > max ? null : { min, max, smallest: smallest < Infinity ? smallest : null };
  return { ...request, version: info.version, range, rows: height, columns: width, values };
}

/** How a linearised model would learn, made up. */
export function syntheticCurve(outputs = 3): LearningCurve {
  const times = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, null];
  const left = (time: number | null, rate: number): number => (time === null ? 0 : Math.exp(-rate * time));
  const prediction = (set: "train" | "test", example: number): LearningPrediction => {
    const target = Array.from({ length: outputs }, (_, output) => (output === example % outputs ? 1 : 0));
    return {
      set,
      example,
      target,
      outputs: times.map((time) => target.map((value) => value * (1 - left(time, 0.01)) + 0.1 * left(time, 0.01))),
    };
  };
  return {
    learningRate: 0.005,
    trained: 16,
    times,
    trainLoss: times.map((time) => 0.5 * left(time, 0.02) + 0.4 * left(time, 0.0008) + 1e-4),
    testLoss: times.map((time) => 0.5 * left(time, 0.02) + 0.35 * left(time, 0.001) + 0.08),
    predictions: [prediction("train", 0), prediction("test", 4)],
  };
}
