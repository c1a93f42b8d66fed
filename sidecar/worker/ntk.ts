import { freemem } from "node:os";
import { closeSync, openSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { withoutParameters } from "../analysis/analyze";
import { cacheFolder } from "../cache/folder";
import { pickEngine, type EngineName } from "../engines";
import type { Engine, Executable } from "../engines/engine";
import { measurePeak } from "../engines/peak";
import { writeFully } from "../formats/file";
import { fingerprintOf, KernelStore, newNumbers, type KernelData } from "../formats/kernel-store";
import { bytesOfTensor } from "../formats/npy";
import { ModelError } from "../graph/errors";
import { argumentsOf, type Graph } from "../graph/graph";
import { printGraph } from "../graph/print";
import type { Tensor } from "../graph/tensor";
import { bytesPerElement, isFloat, sizeOf } from "../graph/types";
import type { KernelForm } from "../kernel/kernel";
import { maximumRows } from "../kernel/linear-algebra";
import { spectrumOf, type Spectrum } from "../kernel/spectrum";
import { planTiles, type NtkSubject, type TiledPlan } from "../planner/ntk";
import type { JacobianInputs } from "../protocol/messages";
import type { ExamplesInfo, Labels, LearningCurve } from "../protocol/ntk";
import { formatBytes } from "../protocol/text";
import { checkOutputs } from "../quantities/jacobian";
import { kernelType, ntkGraph, type NtkMethod } from "../quantities/ntk";
import type { Model } from "../sources";
import { TfjsOpaqueHost } from "../sources/tfjs/opaque";
import { checkFolder, loadWithInputs, type GivenInputs, type Inputs, type Load } from "./inputs";
import { learningCurve, oneHot, readLabels } from "./labels";
import { MemoryError, placeOfEngine, type EnginePlace } from "./memory";
import type { ExamplesOfKernel, NtkJob, NtkReport } from "./messages";
import { outputsOfModel, part } from "./outputs";
import { writeWhole } from "./whole-file";

/** A kernel's computation, tile by tile, each of which is on the disk before the next is begun. */
export interface NtkCallbacks {
  readonly load: Load;
  readonly progress: (fraction: number) => void;
}

export interface NtkRunCallbacks extends NtkCallbacks {
  /** Told before anything is computed. */
  readonly examples: (examples: ExamplesOfKernel) => void;
}

/** Memory that tiles take where nothing else is said: what is more makes them hardly quicker. */
const USUAL_TILE_MEMORY = 1 << 30;

/** All eigenvalues of more rows take longer (seconds, at the third power of their number) than one likes to wait unasked. */
const ROWS_FOR_ALL = 1000;

/** Computes a kernel and writes it; what an interrupted run has computed already is taken over. */
export async function runNtk(job: NtkJob, { load, progress, examples: tell }: NtkRunCallbacks): Promise<NtkReport> {
  checkFolder(job.out);
  const sources = job.x2 === null ? [job.x1] : [job.x1, job.x2];
  const { model: loaded, given } = await loadWithInputs(load, sources, (count) => Math.min(count, 2));
  const [x1, x2] = given as [GivenInputs, GivenInputs | undefined];
  const model = withoutParameters(loaded, job.exclude);
  const subject: NtkSubject = {
    ...differentiated(model),
    form: job.form,
    trace: job.trace,
    rows: x1.batch,
    columns: x2?.batch ?? null,
  };
  const examples = { rows: x1.tensorsFor(model), columns: x2?.tensorsFor(model) ?? null };
  checkFiniteInputs(examples.rows, job.x1);
  if (job.x2 !== null) checkFiniteInputs(examples.columns!, job.x2);
  const outputs = outputsOf(model);
  const labels = job.labels === null ? x1.labels : readLabels(job.labels, x1.batch);
  checkDisk(job, subject, outputs, bytesPerElement[kernelType(model.outputs)]);
  tell({ x1: examplesInfo(x1, labels), x2: x2 ? examplesInfo(x2, x2.labels) : null, outputs });
  const { engine, name } = await engineFor(job, model, subject.wrt);
  try {
    const start = performance.now();
    const { result, addedBytes } = await measurePeak(() =>
      computeKernel({ model, subject, examples, engine, name }, { ...job, folder: tilesFolder(job.out) }, progress),
    );
    const seconds = (performance.now() - start) / 1000;
    const { store, tiled } = result;
    await writeKernel(store, job.out);
    const { whole, ...told } = await describe(store, subject, outputs, labels);
    const curve =
      job.curve && whole !== null && labels !== null && model.outputs.length === 1
        ? await curveOf(whole, labels, { model, inputs: examples.rows, engine })
        : null;
    if (!job.keepTiles) store.remove();
    return {
      ...told,
      curve,
      shape: store.layout.shape,
      form: subject.form,
      trace: subject.form === "trace" ? subject.trace : null,
      method: tiled.method,
      tile: store.layout.tile,
      engine: name,
      device: engine.device,
      seconds,
      predictedPeakBytes: tiled.largest.plan.peakBytes + tiled.largest.workspaceBytes,
      measuredPeakBytes: addedBytes,
    };
  } finally {
    await engine.dispose();
  }
}

/** Tiles and the file that is made of them are there side by side for a while. */
function checkDisk({ out }: NtkJob, { form, rows, columns }: NtkSubject, outputs: number, bytesEach: number): void {
  const entries = { full: outputs * outputs, diagonal: outputs, trace: 1 }[form];
  const bytes = 2 * bytesEach * rows * (columns ?? rows) * entries;
  const { bavail, bsize } = statfsSync(dirname(out));
  if (bytes <= bavail * bsize) return;
  throw new MemoryError(
    `the kernel and its tiles take ${formatBytes(bytes)} on the disk, and ${dirname(out)} has ${formatBytes(bavail * bsize)} free; ` +
      (form === "trace" ? "take fewer examples" : "use --form trace, take fewer examples") +
      " or write elsewhere",
  );
}

export interface Examples {
  readonly rows: Inputs;
  /** Null for the rows' own. */
  readonly columns: Inputs | null;
}

export interface KernelOf {
  readonly model: Model;
  readonly subject: NtkSubject;
  readonly examples: Examples;
  readonly engine: Engine;
  readonly name: EngineName;
}

interface Manner extends Pick<NtkJob, "method" | "tileMemory"> {
  /** Where the tiles are kept. */
  readonly folder: string;
}

/** Computes what is not in the folder yet. */
export async function computeKernel(
  kernel: KernelOf,
  manner: Manner,
  progress: (fraction: number) => void,
): Promise<{ readonly store: KernelStore; readonly tiled: TiledPlan }> {
  const tiled = chooseTiles(kernel.subject, manner, placeOfEngine(kernel.engine, kernel.name));
  const store = await storeFor(kernel, tiled, manner);
  const tiles = new Tiles(kernel);
  try {
    await computeTiles(store, tiled.method, tiles, progress);
  } catch (error) {
    if (store.isEmpty()) store.remove();
    throw error;
  } finally {
    await tiles.dispose();
  }
  return { store, tiled };
}

/** What a kernel is differentiated with respect to, of a model that has one. */
export function differentiated(model: Model): Pick<NtkSubject, "graph" | "wrt"> {
  const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  if (wrt.length === 0) {
    throw new ModelError(`${model.file}: has no trainable parameters, so there is no kernel`);
  }
  const { batch } = model;
  if (batch.coupled) {
    throw new ModelError(
      `the kernel between two examples is not defined where examples depend on one another: ${batch.reason}; make the model one of independent examples`,
      batch.source,
    );
  }
  checkOutputs(model.graph);
  checkFiniteWeights(model);
  return { graph: model.graph, wrt };
}

/** C: numbers that the floating-point outputs hold for one example. */
function outputsOf({ outputs }: Model): number {
  return outputs.reduce((total, { shape, dtype }) => total + (isFloat(dtype) ? sizeOf(shape) : 0), 0);
}

export function engineFor(
  job: Pick<NtkJob, "engine" | "cache">,
  model: Model,
  wrt: readonly string[],
): ReturnType<typeof pickEngine> {
  const options = {
    form: "full",
    trace: "sum",
    method: "contraction",
    rows: 1,
    columns: null,
    wrt,
    norms: false,
  } as const;
  return pickEngine(job.engine, ntkGraph(model.graph, options).graph, {
    folders: [dirname(model.file)],
    cacheDir: job.cache ? cacheFolder("sessions") : undefined,
  });
}

/** All that goes into the kernel has to be finite: what is not would be everywhere in it. */
export function checkFiniteInputs(inputs: Inputs, source: JacobianInputs): void {
  const name = source.kind === "file" ? source.file : "random inputs";
  for (const [input, { shape, data }] of inputs) {
    const index = data.findIndex((value) => !Number.isFinite(value));
    if (index < 0) continue;
    const example = Math.floor(index / sizeOf(shape.slice(1)));
    throw new ModelError(`${name}: example ${example} has ${data[index]} in the input ${input}; give finite numbers`);
  }
}

function checkFiniteWeights({ weights, parameters }: Model): void {
  for (const [name, { data }] of Object.entries(weights)) {
    const index = data.findIndex((value) => !Number.isFinite(value));
    if (index < 0) continue;
    const source = parameters.find((parameter) => parameter.name === name)?.source ?? null;
    throw new ModelError(
      `${name} has the weight ${data[index]} (element ${index}), which would be everywhere in the kernel; train the model again or load other weights`,
      source,
    );
  }
}

function chooseTiles(subject: NtkSubject, { method, tileMemory }: Manner, place: EnginePlace): TiledPlan {
  const most = Math.min(place.memoryBytes - place.reservedBytes, tileMemory ?? USUAL_TILE_MEMORY);
  const within = { ...place, memoryBytes: most, reservedBytes: 0 };
  const tiled = planTiles(subject, method, within);
  if (tiled !== null) return tiled;
  const other = method === null ? null : planTiles(subject, null, within);
  throw new MemoryError(
    `the kernel of a single pair of examples by ${method ?? "any method"} would take more than ${formatBytes(most)}; ` +
      (other === null ? "use --form trace, or a model with fewer outputs" : `use --method ${other.method}, which fits`),
  );
}

/** The tiles on the disk: those of an interrupted run of the same, or none yet. */
async function storeFor(kernel: KernelOf, tiled: TiledPlan, { folder }: Manner): Promise<KernelStore> {
  const { rows, columns } = kernel.subject;
  const { shape, parameters } = tiled.largest.made;
  const fingerprint = fingerprintFor(kernel, tiled.method);
  // An interrupted run's tiles keep their size, whatever memory there is now
  const known = await KernelStore.open(folder, fingerprint);
  if (known !== null) return known;
  const whole = [rows, columns ?? rows, ...shape.slice(2)];
  const dtype = kernelType(kernel.model.outputs);
  return KernelStore.create(folder, { shape: whole, dtype, tile: tiled.tile, parameters, fingerprint });
}

/** Of all that makes a difference to the numbers. */
function fingerprintFor({ model, subject, examples, engine, name }: KernelOf, method: NtkMethod): string {
  const { form, trace, wrt, rows, columns } = subject;
  const words = [form, trace, method, name, engine.device, String(rows), String(columns), ...wrt];
  const weights = [...model.graph.parameters, ...model.graph.buffers].map((each) => model.weights[each.name]);
  const inputs = [examples.rows, examples.columns].flatMap((set) => [...(set?.values() ?? [])]);
  return fingerprintOf([printGraph(model.graph), ...words, ...[...weights, ...inputs].map(bytesOfTensor)]);
}

/** Where tiles are kept while a kernel is computed. */
export function tilesFolder(out: string): string {
  return `${out}.tiles`;
}

async function computeTiles(
  store: KernelStore,
  method: NtkMethod,
  tiles: Tiles,
  progress: (fraction: number) => void,
): Promise<void> {
  const [down, across] = store.tiles;
  const all: [number, number][] = [];
  for (let row = 0; row < down; row++) {
    for (let column = tiles.isSymmetric ? row : 0; column < across; column++) all.push([row, column]);
  }
  // Those that share a compiled graph follow one another, so that one is held at a time
  const kinds = new Map<string, [number, number][]>();
  for (const place of all) {
    const kind = tiles.kindOf(store, ...place);
    kinds.set(kind, [...(kinds.get(kind) ?? []), place]);
  }
  const wanted = [...kinds.values()].flat();
  let done = 0;
  for (const [row, column] of wanted) {
    if (!store.has(row, column)) {
      const part = (fraction: number): void => progress((done + fraction) / wanted.length);
      const { kernel, norms } = await tiles.compute(store, method, row, column, part);
      const tile = { row, column, shape: kernel.shape, data: kernel.data as KernelData, norms };
      checkFinite(store, tile);
      // The mirror first: a tile that is there has its mirror
      if (tiles.isSymmetric && row !== column) await store.write(mirrored(tile));
      await store.write(tile);
    }
    progress(++done / wanted.length);
  }
}

type Tile = Parameters<KernelStore["write"]>[0];

/** Theta[m, n, p, o] = Theta[n, m, o, p] */
function mirrored({ row, column, shape, data, norms }: Tile): Tile {
  const [rows, columns, outputs = 1, others = 1] = shape;
  const turned = data.slice();
  let at = 0;
  for (let n = 0; n < rows; n++) {
    for (let m = 0; m < columns; m++) {
      const block = (m * rows + n) * outputs * others;
      if (shape.length === 3) {
        for (let o = 0; o < outputs; o++) turned[block + o] = data[at++];
      } else {
        for (let o = 0; o < outputs; o++) for (let p = 0; p < others; p++) turned[block + p * outputs + o] = data[at++];
      }
    }
  }
  return { row: column, column: row, shape: [columns, rows, ...shape.slice(2)], data: turned, norms };
}

function checkFinite(store: KernelStore, { row, column, shape, data }: Tile): void {
  const index = data.findIndex((value) => !Number.isFinite(value));
  if (index < 0) return;
  const pair = Math.floor(index / sizeOf(shape.slice(2)));
  const first = store.span(0, row).start + Math.floor(pair / shape[1]);
  const second = store.span(1, column).start + (pair % shape[1]);
  throw new ModelError(
    `the kernel between the examples ${first} and ${second} is ${data[index]}, though weights and inputs are finite: ` +
      "numbers overflow on the way; scale the inputs or the weights down",
  );
}

interface Compiled {
  readonly kind: string;
  readonly graph: Graph;
  readonly executable: Executable;
}

/** The compiled graph of tiles of one size, and the examples that they are given. */
class Tiles {
  private compiled: Compiled | null = null;

  constructor(private readonly kernel: KernelOf) {}

  get isSymmetric(): boolean {
    return this.kernel.examples.columns === null;
  }

  /** Tiles of the same kind are computed by the same graph. */
  kindOf(store: KernelStore, row: number, column: number): string {
    const isOwn = this.isSymmetric && row === column;
    return `${store.span(0, row).count} ${isOwn ? "itself" : store.span(1, column).count}`;
  }

  async compute(
    store: KernelStore,
    method: NtkMethod,
    row: number,
    column: number,
    onProgress: (fraction: number) => void,
  ): Promise<{ kernel: Tensor; norms: Float32Array | null }> {
    const [rows, columns] = [store.span(0, row), store.span(1, column)];
    const isOwn = this.isSymmetric && row === column;
    const kind = this.kindOf(store, row, column);
    if (this.compiled?.kind !== kind) {
      await this.dispose();
      this.compiled = { kind, ...(await this.compile(method, rows.count, isOwn ? null : columns.count)) };
    }
    const { graph, executable } = this.compiled;
    const { examples, model } = this.kernel;
    const second = examples.columns ?? examples.rows;
    const values = argumentsOf(graph).map(({ name }) => {
      const own = examples.rows.get(name);
      if (own) return part(own, rows);
      const other = name.endsWith("'") ? second.get(name.slice(0, -1)) : undefined;
      return other ? part(other, columns) : model.weights[name];
    });
    const [kernel, norms] = await executable.run(values, { onProgress });
    return { kernel, norms: norms === undefined ? null : this.newNorms(norms, row, column, rows.count) };
  }

  /** Sums over examples, each of which is in many tiles and counts in one: rows in the first column, columns in the first row. */
  private newNorms({ shape, data }: Tensor, row: number, column: number, rows: number): Float32Array {
    const [parameters, examples] = shape;
    const countsRows = this.isSymmetric ? row === column : column === 0;
    const countsColumns = !this.isSymmetric && row === 0;
    const sums = new Float32Array(parameters);
    for (let parameter = 0; parameter < parameters; parameter++) {
      for (let example = 0; example < examples; example++) {
        if (example < rows ? countsRows : countsColumns) sums[parameter] += data[parameter * examples + example];
      }
    }
    return sums;
  }

  private async compile(method: NtkMethod, rows: number, columns: number | null): Promise<Omit<Compiled, "kind">> {
    const { subject, model, engine } = this.kernel;
    const norms = method !== "vector-products";
    const { graph } = ntkGraph(subject.graph, { ...subject, rows, columns, method, norms });
    // The weights do not change while this runs: engines may prepare them once
    const fixed = new Map(
      [...graph.parameters, ...graph.buffers].map((member) => [member.value, model.weights[member.name]]),
    );
    return { graph, executable: await engine.compile(graph, { opaque: new TfjsOpaqueHost(), fixed }) };
  }

  async dispose(): Promise<void> {
    await this.compiled?.executable.dispose();
    this.compiled = null;
  }
}

function writeKernel(store: KernelStore, path: string): Promise<void> {
  return writeWhole(path, async (partial) => {
    const descriptor = openSync(partial, "w");
    try {
      await store.writeNpy((bytes) => writeFully(descriptor, bytes));
    } finally {
      closeSync(descriptor);
    }
  });
}

/** One of which all eigenvalues are known. */
interface WholeKernel {
  readonly kernel: Tensor;
  readonly form: KernelForm;
  readonly largestLearningRate: number | null;
}

interface Described extends Pick<NtkReport, "layers" | "eigenvalues" | "conditionNumber" | "spectrum"> {
  readonly whole: WholeKernel | null;
}

/** What follows from the kernel: its parts, and the spectrum of one that is symmetric and not too large. */
async function describe(
  store: KernelStore,
  { form, trace, columns }: NtkSubject,
  outputs: number,
  labels: Labels | null,
): Promise<Described> {
  const layers = await sharesOf(store);
  const [n, , c = 1] = store.layout.shape;
  const rows = form === "full" ? n * c : n;
  const isTold = columns === null && form !== "diagonal" && rows <= maximumRows && 8 * rows * rows < freemem() / 4;
  if (!isTold) return { layers, eigenvalues: [], conditionNumber: null, spectrum: null, whole: null };
  const kind = form === "full" ? ({ form } as const) : ({ form, trace, outputs } as const);
  const kernel = await wholeKernel(store);
  const spectrum = spectrumOf(kernel, kind, labels ? oneHot(labels) : undefined, ROWS_FOR_ALL);
  const { eigenvalues, ...rest } = spectrum;
  return {
    layers,
    eigenvalues: [...eigenvalues],
    conditionNumber: spectrum.conditionNumber,
    spectrum: rest satisfies Omit<Spectrum, "eigenvalues">,
    whole: spectrum.complete ? { kernel, form: kind, largestLearningRate: spectrum.largestLearningRate } : null,
  };
}

/** How the linearised model learns what its examples are of. */
async function curveOf(
  { kernel, form, largestLearningRate }: WholeKernel,
  labels: Labels,
  { model, inputs, engine }: { readonly model: Model; readonly inputs: Inputs; readonly engine: Engine },
): Promise<LearningCurve | null> {
  const compile = (graph: Graph): Promise<Executable> => engine.compile(graph, { opaque: new TfjsOpaqueHost() });
  const outputs = await outputsOfModel(model, inputs, labels.of.length, compile);
  return learningCurve(kernel, form, outputs, labels, largestLearningRate);
}

function examplesInfo({ batch, names }: GivenInputs, labels: Labels | null): ExamplesInfo {
  return { count: batch, names, labels: labels?.of ?? null, classes: labels?.classes ?? [] };
}

/** Each parameter's part of the trace of the kernels of all examples with themselves. */
async function sharesOf(store: KernelStore): Promise<NtkReport["layers"]> {
  const { parameters } = store.layout;
  const parts = new Float64Array(parameters.length);
  const [down, across] = store.tiles;
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const norms = await store.readNorms(row, column);
      norms?.forEach((value, index) => (parts[index] += value));
    }
  }
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parameters.map((parameter, index) => ({ parameter, share: total > 0 ? parts[index] / total : 0 }));
}

export async function wholeKernel(store: KernelStore): Promise<Tensor> {
  const { shape, dtype } = store.layout;
  const pieces: Uint8Array[] = [];
  await store.writeNpy((piece) => pieces.push(piece));
  const data = newNumbers(dtype, sizeOf(shape));
  const bytes = new Uint8Array(data.buffer);
  let at = 0;
  // The first piece is the file's header
  for (const piece of pieces.slice(1)) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return { shape, dtype, data };
}
