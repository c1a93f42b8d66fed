import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { reasonOf, writeFully } from "../formats/file";
import { KernelStore } from "../formats/kernel-store";
import { npyHeader } from "../formats/npy";
import { ModelError } from "../graph/errors";
import type { Analysis } from "../protocol/analysis";
import type {
  NtkRequest,
  NtkSummary,
  Outcome,
  SentKernelArrangement,
  SentKernelAxis,
  SentKernelEntry,
  SentKernelSelection,
  SentKernelTile,
} from "../protocol/messages";
import type {
  KernelArrangementRequest,
  KernelAxis,
  KernelEntryRequest,
  KernelInfo,
  KernelOrder,
  KernelTileRequest,
} from "../protocol/ntk";
import { formatMany } from "../protocol/text";
import type { ExamplesOfKernel, NtkReport } from "../worker/messages";
import { begun, ended, fileIn, readInfo, tilesIn, writeInfo } from "./kernel-info";
import { asGiven, byClass, byCluster } from "./kernel-orders";
import { KernelPictures, type Places } from "./kernel-pictures";

/** How long changes of a kernel that is being computed are gathered before they are told. */
const GATHER_MS = 200;

export interface KernelJob {
  /** The .npy file to write. */
  readonly out: string;
  /** Names of parameters that are left out. */
  readonly exclude: readonly string[];
}

/** Computes a kernel in a worker, and tells of its examples, and when there may be another tile of it. */
export type ComputeKernel = (
  job: KernelJob,
  told: { readonly onExamples: (examples: ExamplesOfKernel) => void; readonly onTile: () => void },
) => Promise<Outcome<NtkReport>>;

interface Kernel {
  readonly folder: string;
  info: KernelInfo;
  /** Null before there is a tile on the disk. */
  pictures: KernelPictures | null;
  /** What its version was before the first of the present tiles. */
  versionBefore: number;
  /** By the order's key. */
  readonly arrangements: Map<string, Promise<Arrangement>>;
}

interface Arrangement {
  readonly key: string;
  readonly rows: KernelAxis;
  readonly columns: KernelAxis | null;
}

/**
 * The kernels that have been computed or opened, by id. Each is kept in a folder of its own: `kernel.npy` when it is done,
 * its tiles from the first on, and in `kernel.json` what is known of it. Pictures are made of the tiles here, in the sidecar, so
 * that they can be looked at while the worker computes, and after it has ended.
 */
export class Kernels {
  private readonly known = new Map<string, Kernel>();
  /** Ids of those that are being computed, from before their examples are known. */
  private readonly running = new Set<string>();

  /** @param changed called with what is known of a kernel whenever it has changed */
  constructor(private readonly changed: (info: KernelInfo) => void) {}

  /** @param analysis of the model; null where there is none */
  async run(request: NtkRequest, analysis: Analysis | null, compute: ComputeKernel): Promise<Outcome<NtkSummary>> {
    const { kernel: id, folder } = request;
    let job: KernelJob;
    try {
      if (this.running.has(id)) {
        throw new ModelError("This kernel is being computed already; wait for it, or cancel it.");
      }
      job = { out: fileIn(folder), exclude: othersThan(request, analysis) };
      makeFolder(folder);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      return { kind: "failed", fault: { fault: "model", message: error.message, source: null } };
    }
    this.running.add(id);
    let kernel: Kernel | null = null;
    let timer: NodeJS.Timeout | null = null;
    try {
      const outcome = await compute(job, {
        onExamples: (examples) => {
          kernel = this.begin(request, examples);
        },
        onTile: () => {
          timer ??= setTimeout(() => {
            timer = null;
            if (kernel !== null) void this.look(kernel);
          }, GATHER_MS);
        },
      });
      if (timer !== null) clearTimeout(timer);
      timer = null;
      await this.end(kernel, outcome);
      if (outcome.kind !== "done") return outcome;
      const { shape, form, trace, method, engine, device, seconds, measuredPeakBytes } = outcome.result;
      const { out } = job;
      return {
        kind: "done",
        result: { kernel: id, shape, form, trace, method, engine, device, seconds, measuredPeakBytes, out },
      };
    } finally {
      if (timer !== null) clearTimeout(timer);
      this.running.delete(id);
      if ((this.known.get(id)?.pictures ?? null) === null) this.forget(id, folder);
    }
  }

  /** A kernel that was computed by another sidecar, or by this one. Null where the folder holds none. */
  async open(folder: string): Promise<KernelInfo | null> {
    const info = readInfo(folder);
    if (info === null) return null;
    const known = this.known.get(info.id);
    if (known !== undefined) return known.info;
    // Whoever computed it has ended
    const kernel = newKernel(folder, info.status === "running" ? ended({ kind: "cancelled" }, info) : info);
    this.known.set(info.id, kernel);
    await this.look(kernel, false);
    return kernel.info;
  }

  remove(id: string): void {
    const { info, folder } = this.find(id);
    if (this.running.has(id)) throw new ModelError(`${info.title} is being computed; cancel that first.`);
    this.forget(id, folder);
  }

  async tile(request: KernelTileRequest, signal: AbortSignal): Promise<SentKernelTile> {
    const kernel = this.find(request.id);
    const places = await this.places(kernel, request.order);
    const { version } = kernel.info;
    if (kernel.pictures === null) return { ...request, ...emptyTile(request, places), version, range: null };
    const { rows, columns, values } = await kernel.pictures.tile(request.view, places, request, signal);
    const range = await kernel.pictures.range(request.view, signal);
    return { ...request, version, range, rows, columns, values: base64Of(values) };
  }

  async entry(request: KernelEntryRequest): Promise<SentKernelEntry> {
    const { pictures } = this.find(request.id);
    const found = (await pictures?.entry(request.view, request.row, request.column)) ?? null;
    return { ...request, value: found?.value ?? null, block: found && Array.from(found.block) };
  }

  async arrangement(request: KernelArrangementRequest): Promise<SentKernelArrangement> {
    const { rows, columns } = await this.arrange(this.find(request.id), request.order);
    return { ...request, rows: sent(rows), columns: columns && sent(columns) };
  }

  /** Writes the numbers of some pairs as a .npy file [rows, columns]. */
  async save({ id, view, rows, columns }: SentKernelSelection, out: string): Promise<void> {
    const { pictures } = this.find(id);
    if (pictures === null) throw new ModelError("No pair is known yet; wait for the first tile.");
    const values = await pictures.gather(view, Uint32Array.from(rows), Uint32Array.from(columns));
    const header = npyHeader({ shape: [rows.length, columns.length], dtype: "float32" });
    let descriptor: number;
    try {
      descriptor = openSync(out, "w");
    } catch (error) {
      throw new ModelError(`${out}: cannot be written (${reasonOf(error)}).`);
    }
    try {
      writeFully(descriptor, header);
      writeFully(descriptor, new Uint8Array(values.buffer));
    } finally {
      closeSync(descriptor);
    }
  }

  private find(id: string): Kernel {
    const kernel = this.known.get(id);
    if (kernel === undefined) throw new ModelError(`No kernel ${id} is known here; compute it again.`);
    return kernel;
  }

  private begin(request: NtkRequest, examples: ExamplesOfKernel): Kernel {
    const { kernel: id, folder } = request;
    const version = (this.known.get(id)?.info.version ?? 0) + 1;
    const kernel = newKernel(folder, begun(request, examples, version));
    this.known.set(id, kernel);
    this.tell(kernel);
    return kernel;
  }

  private async end(kernel: Kernel | null, outcome: Outcome<NtkReport>): Promise<void> {
    if (kernel === null) return;
    await this.look(kernel);
    kernel.info = ended(outcome, kernel.info);

    this.tell(kernel);
  }

  private forget(id: string, folder: string): void {
    this.known.delete(id);
    rmSync(folder, { recursive: true, force: true });
  }

  /** Looks for tiles that have been computed since, and tells of them. */
  private async look(kernel: Kernel, isToBeTold = true): Promise<void> {
    kernel.pictures ??= await picturesOf(kernel);
    if (kernel.pictures === null) return;
    const version = kernel.versionBefore + kernel.pictures.look();
    kernel.info = { ...kernel.info, version, fraction: kernel.pictures.fraction };
    if (isToBeTold) this.tell(kernel);
  }

  private tell({ folder, info }: Kernel): void {
    writeInfo(folder, info);
    this.changed(info);
  }

  // Orders

  private async places(kernel: Kernel, order: KernelOrder): Promise<Places> {
    const { key, rows, columns } = await this.arrange(kernel, order);
    return { key, rows: rows.examples, columns: (columns ?? rows).examples };
  }

  /** Found once; clusters are found in the kernel that they are of. */
  private arrange(kernel: Kernel, order: KernelOrder): Promise<Arrangement> {
    const key = JSON.stringify(order);
    const known = kernel.arrangements.get(key);
    if (known !== undefined) return known;
    const arranging = this.newArrangement(kernel, order, key);
    kernel.arrangements.set(key, arranging);
    // What could not be found now may be later
    arranging.catch(() => kernel.arrangements.delete(key));
    return arranging;
  }

  private async newArrangement({ info }: Kernel, order: KernelOrder, key: string): Promise<Arrangement> {
    const { x1, x2 } = info;
    if (order === "given") return { key, rows: asGiven(x1.count), columns: x2 && asGiven(x2.count) };
    if (order === "class") return { key, rows: byClass(x1), columns: x2 && byClass(x2) };
    const of = this.find(order.clustersOf);
    const { noClusters, x1: clustered } = of.info;
    const { count } = clustered;
    if (noClusters !== null) {
      throw new ModelError(`There are no clusters to order examples by (${noClusters}); look at them as given.`);
    }
    if (count !== x1.count) {
      throw new ModelError(
        `The clusters are those of ${formatMany(count, "example")}, and this kernel has ${x1.count}; compute both of the same examples.`,
      );
    }
    const every = asGiven(count).examples;
    const rows = byCluster(await of.pictures!.gather("trace", every, every), count);
    return { key, rows, columns: x2 && asGiven(x2.count) };
  }
}

function newKernel(folder: string, info: KernelInfo): Kernel {
  return { folder, info, pictures: null, versionBefore: info.version, arrangements: new Map() };
}

/** Null before there is a tile on the disk, of this kernel: there may be those of another number of examples. */
async function picturesOf({ folder, info }: Kernel): Promise<KernelPictures | null> {
  const store = await KernelStore.open(tilesIn(folder));
  if (store === null) return null;
  const [rows, columns] = store.layout.shape;
  const isOwn = rows === info.x1.count && columns === (info.x2 ?? info.x1).count;
  return isOwn ? new KernelPictures(store, info) : null;
}

/** Names of the parameters that are left out where the part of one is asked for. Throws a ModelError where there is none such. */
function othersThan({ part }: NtkRequest, analysis: Analysis | null): string[] {
  if (analysis === null) throw new ModelError("This model has not been analyzed; analyze it first.");
  if (part === null) return [];
  const names = analysis.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
  if (!names.includes(part.parameter)) {
    throw new ModelError(`The model has no trainable parameter ${part.parameter} any more; compute the kernel again.`);
  }
  return names.filter((name) => name !== part.parameter);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new ModelError(`${folder}: cannot be written (${reasonOf(error)}).`);
  }
}

/** Of a kernel of which nothing is known yet. */
function emptyTile(
  { level, row, column }: KernelTileRequest,
  places: Places,
): Pick<SentKernelTile, "rows" | "columns" | "values"> {
  const extent = (count: number, tile: number): number =>
    Math.max(0, Math.min(256, Math.ceil(count / 2 ** level) - tile * 256));
  const [rows, columns] = [extent(places.rows.length, row), extent(places.columns.length, column)];
  return { rows, columns, values: base64Of(new Float32Array(rows * columns).fill(NaN)) };
}

function base64Of({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function sent({ examples, groups }: KernelAxis): SentKernelAxis {
  return { examples: Array.from(examples), groups };
}
