import type { ChosenStrategy, Planned } from "../analysis/strategies";
import { messageOf } from "../graph/errors";
import type {
  FileState,
  MemoryPlan,
  ModelFault,
  ModelRef,
  ModelState,
  Outcome,
  PlanRequest,
  Settings,
} from "../protocol/messages";
import { areRequired, isCalled } from "../protocol/options";
import type { Outline } from "../protocol/outline";
import { outlineOf } from "../analysis/outline";
import { discoverModels, isBinaryModel, isPythonFile, mayHoldModels, type DiscoveredModel } from "../sources/discover";
import { CancelledError } from "../worker/client";
import { EvaluatedFiles } from "./evaluated-files";
import { LineMap, type Edit } from "./lines";
import { ModelEntry, type RunningEvaluation } from "./model";
import { batchingRulesOf, modelKey, optionsOf, pythonOf } from "./options";
import { Planning } from "./planning";
import { isFile, pathOf, savedText, type TextListener } from "./texts";
import { faultForEditor } from "./wording";
import { faultOf, notTrusted, type Traced, type Workers } from "./workers";

/** How long a text has to rest before it is looked through for models. */
const REST_MS = 150;

/** Folders whose files are not the user's own. */
const OF_OTHERS = /[\\/](node_modules|\.git|site-packages)[\\/]/;

const notAnalyzed: ModelFault = {
  fault: "model",
  message: "This model has not been analyzed since the sidecar was started; analyze it first.",
  source: null,
};

/** Whom the models tell of what has changed. */
export interface ModelsHost {
  uriOf(path: string): string;
  changed(file: FileState): void;
}

interface ModelFile {
  readonly path: string;
  discovered: readonly DiscoveredModel[];
  /** Where the lines are since. */
  lines: LineMap;
  readonly models: Map<string, ModelEntry>;
  rest: NodeJS.Timeout | null;
}

/** All models that have been looked at, and what is known of them. */
export class Models implements TextListener {
  private readonly files = new Map<string, ModelFile>();
  /** Texts of open files. */
  private readonly open = new Map<string, string>();
  private isRestoring = false;
  private restoring: Promise<void> = Promise.resolve();
  private disposed = false;
  private readonly planning = new Planning();

  constructor(
    private readonly workers: Workers,
    private readonly host: ModelsHost,
  ) {}

  // What the editor tells of texts

  opened(path: string, text: string): void {
    this.open.set(path, text);
    for (const entry of this.dependents(path)) {
      entry.files?.opened(path, text);
      entry.failure?.files.opened(path, text);
      this.changed(entry.path);
    }
    void this.discover(path, text).then(() => this.evaluateOnOpen(path));
  }

  edited(path: string, edit: Edit, lengthOf: (line: number) => number, text: string): void {
    this.open.set(path, text);
    const file = this.files.get(path);
    file?.lines.edit(edit, lengthOf);
    const dependents = this.dependents(path);
    for (const entry of dependents) {
      entry.files?.edited(path, edit, lengthOf, text);
      entry.failure?.files.edited(path, edit, lengthOf, text);
    }
    for (const each of new Set([...dependents.map((entry) => entry.path), path])) this.changed(each);
    if (file === undefined && !mayHoldModels(path, text)) return;
    if (file?.rest) clearTimeout(file.rest);
    const rest = setTimeout(() => void this.discover(path, this.open.get(path) ?? text), REST_MS);
    if (file) file.rest = rest;
  }

  saved(path: string): void {
    const text = this.open.get(path);
    // Not before it is known which models this text has
    const look = text === undefined ? Promise.resolve() : this.discover(path, text);
    void look.then(() => this.refresh(path));
  }

  closed(path: string): void {
    this.open.delete(path);
    void savedText(path).then((text) => {
      if (text !== null && !this.open.has(path)) this.asOnDisk(path, text);
    });
  }

  /** A file was changed by something else than the editor. */
  async changedOnDisk(path: string): Promise<void> {
    const isKnown = this.files.has(path) || this.dependents(path).length > 0;
    // A package manager changes thousands of files at once
    if (!isKnown && OF_OTHERS.test(path)) return;
    const text = await savedText(path);
    if (text === null) {
      this.forget(path);
      return;
    }
    if (!this.open.has(path)) this.asOnDisk(path, text);
    if (isKnown) await this.refresh(path);
    else await this.discover(path, text);
  }

  private asOnDisk(path: string, text: string): void {
    for (const entry of this.dependents(path)) {
      entry.files?.opened(path, text);
      entry.failure?.files.opened(path, text);
      this.changed(entry.path);
    }
    if (this.files.has(path)) void this.discover(path, text);
  }

  private forget(path: string): void {
    const file = this.files.get(path);
    if (file === undefined || this.open.has(path)) return;
    for (const entry of file.models.values()) this.drop(entry);
    this.files.delete(path);
    this.host.changed({ uri: this.host.uriOf(path), models: [] });
  }

  // Which models there are

  async find(uris: readonly string[]): Promise<FileState[]> {
    const paths = uris.filter((uri) => isFile({ uri })).map(pathOf);
    await Promise.all(
      paths.map(async (path) => {
        const text = this.open.get(path) ?? (await savedText(path));
        if (text !== null && mayHoldModels(path, text)) await this.discover(path, text);
      }),
    );
    await this.restoring;
    // Told as it is now, not as it was when each file was looked at: notices in between were newer
    return paths.map((path) => this.fileState(path)).filter((file) => file.models.length > 0);
  }

  private async discover(path: string, text: string): Promise<void> {
    const known = this.files.get(path);
    // Batching rules are functions on tensors too
    const isOther = this.workers.settings.batchingRules.includes(path);
    if (known === undefined && (isOther || !mayHoldModels(path, text))) return;
    const discovered = await discoverModels(path, text);
    const isPresent = (this.open.get(path) ?? text) === text;
    // While the text has an error in it, what was known of it before holds.
    if (discovered === null || !isPresent || this.disposed) return;
    const file = this.files.get(path) ?? this.newFile(path);
    file.discovered = discovered;
    file.lines = LineMap.between(text, text);
    for (const found of discovered) {
      const entry = this.entryIn(file, found.export);
      entry.discovered = found;
      entry.isPresent = true;
    }
    const names = new Set(discovered.map((found) => found.export));
    for (const [key, entry] of file.models) {
      if (names.has(entry.exportName)) continue;
      // One that was asked for by hand, in a file whose models cannot be told, stays
      if (entry.exportName === null && discovered.length === 0 && entry.wasEvaluated) continue;
      if (entry.wasEvaluated && this.open.has(path)) {
        entry.isPresent = false;
        continue;
      }
      this.drop(entry);
      file.models.delete(key);
    }
    if (discovered.length > 0 && this.workers.mayEvaluate(path)) this.workers.prepareSpare();
    this.changed(path);
  }

  private drop(entry: ModelEntry): void {
    entry.running?.controller.abort();
    entry.planning?.abort();
    entry.planningKernels?.abort();
    this.planning.forget(modelKey(entry.path, entry.exportName));
  }

  private newFile(path: string): ModelFile {
    const file: ModelFile = { path, discovered: [], lines: LineMap.unknown(), models: new Map(), rest: null };
    this.files.set(path, file);
    return file;
  }

  private entryIn(file: ModelFile, exportName: string | null): ModelEntry {
    const key = modelKey(file.path, exportName);
    const known = file.models.get(key);
    if (known) return known;
    const entry = new ModelEntry(file.path, exportName, null);
    file.models.set(key, entry);
    return entry;
  }

  // Evaluation

  /**
   * Evaluates a model. Another evaluation of it that is in progress is given up. Where the user's PyTorch is asked what it
   * would do, that goes on when this is done.
   */
  evaluate(path: string, exportName: string | null, signal?: AbortSignal): Promise<Outcome<ModelState>> {
    return new Promise((resolve, reject) => {
      this.evaluation(path, exportName, resolve, signal).then(resolve, reject);
    });
  }

  /** Gives up an evaluation in progress. What is told already stays. */
  cancel(path: string, exportName: string | null): void {
    this.files.get(path)?.models.get(modelKey(path, exportName))?.running?.controller.abort();
  }

  /** @param onTold told of the model before its PyTorch is asked */
  private async evaluation(
    path: string,
    exportName: string | null,
    onTold: (outcome: Outcome<ModelState>) => void,
    signal?: AbortSignal,
  ): Promise<Outcome<ModelState>> {
    if (!this.workers.mayEvaluate(path)) return { kind: "failed", fault: notTrusted };
    const entry = this.entryIn(this.files.get(path) ?? this.newFile(path), exportName);
    entry.running?.controller.abort();
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    const running: RunningEvaluation = { controller, files: entry.running?.files ?? null, isAskingPytorch: false };
    entry.running = running;
    running.files = EvaluatedFiles.of(await textsOf(entry.dependencies));
    this.changed(path);
    let read: readonly string[] = [path];
    const onRead = (files: readonly string[]): void => {
      read = files;
      void textsOf(files).then((texts) => {
        running.files = EvaluatedFiles.of(texts);
      });
    };
    const isCurrent = (): boolean => entry.running === running && !this.disposed;
    const asked = this.workers.batchOf(path, exportName);
    // Somebody waits for it, or has the file open
    const isUrgent = signal !== undefined || this.open.has(path);
    const succeeded = async ({ traced, milliseconds }: Traced): Promise<void> => {
      const files = this.asOpen(EvaluatedFiles.of(await textsOf([path, ...traced.files])));
      // The settings as they are now: they may have been changed meanwhile
      const device = await this.workers.device();
      if (!isCurrent()) return;
      const batch = this.workers.batchOf(path, exportName);
      const options = this.workers.optionsOf(path, exportName);
      entry.succeeded({ traced, files, batch: asked, milliseconds }, device, batch, options);
      void this.plan(entry);
    };
    let early: Promise<void> | null = null;
    const onTraced = (traced: Traced): void => {
      early = succeeded(traced).then(() => {
        if (!isCurrent()) return;
        running.isAskingPytorch = true;
        this.changed(path);
        onTold({ kind: "done", result: this.stateOf(entry) });
      });
      // An error is met again when all is done
      early.catch(() => undefined);
    };
    try {
      const { signal } = controller;
      const traced = await this.workers.trace(path, exportName, asked, { signal, isUrgent, onRead, onTraced });
      await (early ?? succeeded(traced));
      if (!isCurrent()) return { kind: "cancelled" };
      if (early) entry.pytorchAsked(traced.traced.pytorch);
      return { kind: "done", result: this.stateOf(entry) };
    } catch (error) {
      if (error instanceof CancelledError || !isCurrent()) return { kind: "cancelled" };
      const fault = faultForEditor(faultOf(error), path);
      entry.failed(fault, this.asOpen(EvaluatedFiles.of(await textsOf([...read, fault.source?.file ?? path]))));
      return { kind: "failed", fault };
    } finally {
      signal?.removeEventListener("abort", abort);
      if (entry.running === running) entry.running = null;
      this.workers.prepareSpare();
      this.changed(path);
    }
  }

  /** How the user wants a model's Jacobian computed; null: as is best. */
  chosenFor({ path, exportName }: ModelEntry): ChosenStrategy | null {
    const { strategy, chunk = null } = this.workers.optionsOf(path, exportName);
    return strategy === undefined ? null : { strategy, chunk };
  }

  /** Finds out what the strategies take, after the analysis that is already told. */
  private async plan(entry: ModelEntry): Promise<void> {
    const { analysis, subject, path, exportName } = entry;
    if (analysis === null || subject === null || this.disposed) return;
    entry.planning?.abort();
    entry.planningKernels?.abort();
    const controller = new AbortController();
    entry.planning = controller;
    this.changed(path);
    try {
      const planned = await this.planning.plan(modelKey(path, exportName), subject, {
        batch: analysis.batch,
        device: analysis.device,
        chosen: this.chosenFor(entry),
        signal: controller.signal,
      });
      if (entry.subject === subject) entry.planned(planned);
    } catch (error) {
      if (!(error instanceof CancelledError)) console.error(error);
    } finally {
      if (entry.planning === controller) {
        entry.planning = null;
        this.changed(path);
        void this.planKernels(entry);
      }
    }
  }

  /** Finds out what kernels take, after the strategies that are already told. */
  private async planKernels(entry: ModelEntry): Promise<void> {
    const { analysis, subject, path, exportName } = entry;
    if (analysis === null || analysis.strategies.length === 0 || subject === null || this.disposed) return;
    const controller = new AbortController();
    entry.planningKernels = controller;
    try {
      const { batch, device } = analysis;
      const { signal } = controller;
      const planned = await this.planning.planKernels(modelKey(path, exportName), subject, { batch, device, signal });
      if (entry.subject !== subject) return;
      entry.kernelsPlanned(planned);
      this.changed(path);
    } catch (error) {
      if (!(error instanceof CancelledError)) console.error(error);
    } finally {
      if (entry.planningKernels === controller) entry.planningKernels = null;
    }
  }

  /** What the strategies would take for another number of examples or on another device, with all that is known of them. */
  async planFor(
    path: string,
    { model, batch, device }: PlanRequest,
    onPart: (plan: MemoryPlan) => void,
    signal: AbortSignal,
  ): Promise<Outcome<MemoryPlan>> {
    const entry = this.files.get(path)?.models.get(modelKey(path, model.export));
    if (!entry?.subject) return { kind: "failed", fault: notAnalyzed };
    const size = entry.batchFor(batch);
    const told = ({ diagnostics, ...planned }: Planned, isWhole: boolean): MemoryPlan => {
      return { ...planned, batch: size, device, fault: diagnostics.at(0)?.message ?? null, isWhole };
    };
    try {
      const planned = await this.planning.plan(modelKey(path, model.export), entry.subject, {
        batch: size,
        device,
        chosen: this.chosenFor(entry),
        signal,
        onPart: (part) => onPart(told(part, false)),
      });
      return { kind: "done", result: told(planned, true) };
    } catch (error) {
      if (error instanceof CancelledError) return { kind: "cancelled" };
      return { kind: "failed", fault: { fault: "engine", message: messageOf(error), source: null } };
    }
  }

  /** The graph by modules, of a model that has been evaluated. */
  outline(path: string, model: ModelRef): Outcome<Outline> {
    const entry = this.files.get(path)?.models.get(modelKey(path, model.export));
    if (!entry?.evaluation || !entry.analysis) return { kind: "failed", fault: notAnalyzed };
    return { kind: "done", result: outlineOf(entry.evaluation.traced, entry.analysis) };
  }

  private evaluateOnOpen(path: string): void {
    for (const { exportName, discovered, wasEvaluated } of this.files.get(path)?.models.values() ?? []) {
      if (wasEvaluated || discovered === null || !this.workers.mayEvaluate(path)) continue;
      // A saved model holds no code: it is only read
      const isWanted = discovered.kind === "saved" || this.workers.settings.evaluate === "onOpen";
      if (isWanted && this.isComplete(path, discovered)) void this.evaluate(path, exportName);
    }
  }

  /** Whether a model can be evaluated without asking the user for arguments or shapes. */
  private isComplete(path: string, { kind, takes, inputs = [], export: name }: DiscoveredModel): boolean {
    const options = this.workers.optionsOf(path, name);
    return (
      (!isCalled(kind) || options.arguments !== undefined || !areRequired(takes)) &&
      (options.inputs !== undefined || !areRequired(inputs))
    );
  }

  /** A file on the disk may have another text now: what was made from it is made anew. */
  private async refresh(path: string): Promise<void> {
    const text = await savedText(path);
    if (text === null) return;
    for (const entry of this.entriesFor(path)) {
      const { evaluate } = this.workers.settings;
      const isFirst = !entry.wasEvaluated;
      if (isFirst && (evaluate === "manual" || entry.discovered === null)) continue;
      if (isFirst && !this.isComplete(entry.path, entry.discovered!)) continue;
      if (!this.workers.mayEvaluate(entry.path)) continue;
      const latest = entry.running?.files ?? entry.failure?.files ?? (entry.isRestored ? null : entry.files);
      if (latest?.holds(path, text)) continue;
      void this.evaluate(entry.path, entry.exportName);
    }
  }

  // Settings

  /** Rejects where a setting makes no sense. */
  async configure(settings: Settings): Promise<void> {
    const before = this.workers.settings;
    this.workers.settings = settings;
    const areOtherRules = String(batchingRulesOf(before)) !== String(batchingRulesOf(settings));
    const device = await this.workers.device();
    for (const { path, models } of this.files.values()) {
      for (const entry of models.values()) {
        const { exportName, wasEvaluated, isPresent } = entry;
        const optionsBefore = optionsOf(before, path, exportName);
        const options = optionsOf(settings, path, exportName);
        const isOther =
          areOtherRules ||
          (isPythonFile(path) && pythonOf(before, path) !== pythonOf(settings, path)) ||
          optionsBefore.arguments !== options.arguments ||
          JSON.stringify(optionsBefore.inputs) !== JSON.stringify(options.inputs);
        const isOtherBatch = (optionsBefore.batch ?? before.batch) !== this.workers.batchOf(path, exportName);
        const isNeeded = wasEvaluated && isPresent && (isOther || (isOtherBatch && entry.dependsOnBatch));
        const isAnew = isNeeded && this.workers.mayEvaluate(path);
        // What PyTorch is asked for another number of examples is waited for by nothing else
        if (!isAnew || (!isOther && !entry.isCoupled)) {
          const batch = this.workers.batchOf(path, exportName);
          if (entry.describe(device, batch, options)) void this.plan(entry);
        }
        if (isAnew) void this.evaluate(path, exportName);
      }
      this.changed(path);
      if (!before.trusted && settings.trusted && this.open.has(path)) this.evaluateOnOpen(path);
    }
  }

  // What is known

  /** Takes over what an earlier sidecar knew. Until that is done nothing is told: it would be less than is known. */
  restore(files: readonly FileState[]): Promise<void> {
    // Of what another version has kept, that which cannot be read is computed anew when it is wanted
    this.restoring = this.takeOver(files).catch(() => undefined);
    return this.restoring;
  }

  private async takeOver(files: readonly FileState[]): Promise<void> {
    this.isRestoring = true;
    try {
      for (const file of files.filter(isFile)) await this.restoreFile(file);
    } finally {
      this.isRestoring = false;
      for (const path of this.files.keys()) this.changed(path);
    }
  }

  private async restoreFile({ uri, models }: FileState): Promise<void> {
    const path = pathOf(uri);
    const text = this.open.get(path) ?? (await savedText(path));
    if (text === null) return;
    await this.discover(path, text);
    for (const state of models) {
      const entry = this.files.get(path)?.models.get(modelKey(path, state.export));
      if (entry === undefined || state.analysis === null || entry.wasEvaluated) continue;
      const saved = new Map<string, string | null>();
      for (const each of Object.keys(state.digests)) saved.set(each, await savedText(each));
      entry.restore(state, this.asOpen(EvaluatedFiles.restored(state.digests, saved)));
    }
  }

  entries(): ModelEntry[] {
    return this.allEntries().filter(({ isPresent }) => isPresent);
  }

  /** Models that a file has, or takes part in. */
  entriesFor(path: string): ModelEntry[] {
    return this.dependents(path).filter(({ isPresent }) => isPresent);
  }

  fileState(path: string): FileState {
    const entries = [...(this.files.get(path)?.models.values() ?? [])].filter(({ isPresent }) => isPresent);
    const models = entries.map((entry) => this.stateOf(entry));
    models.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
    return { uri: this.host.uriOf(path), models };
  }

  stateOf(entry: ModelEntry): ModelState {
    return entry.state(this.host.uriOf(entry.path), this.lineOf(entry));
  }

  private lineOf(entry: ModelEntry): number | null {
    if (entry.discovered !== null) return this.files.get(entry.path)?.lines.current(entry.discovered.line) ?? null;
    const place = entry.files?.place(entry.analysis?.model.source ?? null) ?? null;
    return place?.file === entry.path ? place.line : 1;
  }

  private dependents(path: string): ModelEntry[] {
    return this.allEntries().filter((entry) => entry.dependencies.includes(path));
  }

  /** Also those that an edit hides. */
  private allEntries(): ModelEntry[] {
    return [...this.files.values()].flatMap(({ models }) => [...models.values()]);
  }

  private asOpen(files: EvaluatedFiles): EvaluatedFiles {
    for (const path of files.paths) {
      const text = this.open.get(path);
      if (text !== undefined) files.opened(path, text);
    }
    return files;
  }

  private changed(path: string): void {
    if (!this.disposed && !this.isRestoring && this.files.has(path)) this.host.changed(this.fileState(path));
  }

  dispose(): void {
    this.disposed = true;
    this.planning.dispose();
    for (const { models, rest } of this.files.values()) {
      if (rest) clearTimeout(rest);
      for (const entry of models.values()) entry.running?.controller.abort();
    }
  }
}

/** Weights are no texts, and may be huge. */
const TEXT = /\.([mc]?[jt]s|[jt]sx|json|py)$/i;

async function textsOf(paths: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of new Set(paths)) {
    if (!TEXT.test(path) && !isBinaryModel(path)) continue;
    const text = await savedText(path);
    if (text !== null) texts.set(path, text);
  }
  return texts;
}
