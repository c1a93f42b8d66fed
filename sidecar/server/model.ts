import { analyze, withoutParameters } from "../analysis/analyze";
import type { PlannedKernels } from "../analysis/ntk";
import type { Planned, PlannedModel } from "../analysis/strategies";
import type { Analysis, DeviceInfo, PytorchAnalysis } from "../protocol/analysis";
import type { ModelFault, ModelOptions, ModelState, Staleness } from "../protocol/messages";
import { isPythonFile, type DiscoveredModel } from "../sources/discover";
import type { TracedModel } from "../worker/messages";
import type { EvaluatedFiles } from "./evaluated-files";

/** What was found when a model was last evaluated, right or wrong. */
export interface Evaluation {
  readonly traced: TracedModel;
  readonly files: EvaluatedFiles;
  /** The number of examples that it was asked for. */
  readonly batch: number;
  readonly milliseconds: number;
}

/** An evaluation in progress. */
export interface RunningEvaluation {
  readonly controller: AbortController;
  /** The texts that it reads, as far as they are known. */
  files: EvaluatedFiles | null;
  /** Whether it has its model, and waits for what the user's PyTorch says of it. */
  isAskingPytorch: boolean;
}

/** Everything the sidecar knows of one model; `state` is what it says of it. */
export class ModelEntry {
  /** The last evaluation that succeeded in this process. */
  evaluation: Evaluation | null = null;
  /** Of that evaluation or, restored, of one in another process. */
  analysis: Analysis | null = null;
  files: EvaluatedFiles | null = null;
  milliseconds: number | null = null;
  isRestored = false;
  /** Whether the text has it now. One that an edit hides for a moment, such as a comment before it, comes back with what is known of it. */
  isPresent = true;
  /** Why the last evaluation failed, if it did, and the texts that it failed on. */
  failure: { readonly fault: ModelFault; readonly files: EvaluatedFiles } | null = null;
  running: RunningEvaluation | null = null;
  /** The planning of strategies in progress. */
  planning: AbortController | null = null;
  /** The planning of kernels in progress, which comes after it. */
  planningKernels: AbortController | null = null;
  /** What the analysis was made for: a change of settings is not always one for this model. */
  private basis: string | null = null;
  /** What is planned: what was traced, without the parameters that are left out. */
  subject: PlannedModel | null = null;

  constructor(
    readonly path: string,
    readonly exportName: string | null,
    public discovered: DiscoveredModel | null,
  ) {}

  /** Whether the user has had it evaluated, so that it is kept up to date. */
  get wasEvaluated(): boolean {
    return this.analysis !== null || this.failure !== null || this.running !== null;
  }

  get stale(): Staleness | null {
    if (this.analysis === null) return null;
    if (this.failure !== null) return "failed";
    if (this.files?.isEdited) return "edited";
    return this.isRestored ? "restored" : null;
  }

  /** @param batch the number of examples that is spoken of now */
  succeeded(evaluation: Evaluation, device: DeviceInfo, batch: number, options: ModelOptions): void {
    this.evaluation = evaluation;
    this.basis = null;
    this.files = evaluation.files;
    this.milliseconds = evaluation.milliseconds;
    this.failure = null;
    this.isRestored = false;
    this.describe(device, batch, options);
  }

  /** What PyTorch has said of the evaluation's number of examples. */
  pytorchAsked(pytorch: PytorchAnalysis | undefined): void {
    if (this.evaluation === null || this.analysis === null || pytorch === undefined) return;
    const { batch, traced } = this.evaluation;
    this.evaluation = { ...this.evaluation, traced: { ...traced, pytorch } };
    if (this.analysis.batch === batch) this.analysis = { ...this.analysis, pytorch };
  }

  failed(fault: ModelFault, files: EvaluatedFiles): void {
    this.failure = { fault, files };
  }

  restore(state: ModelState, files: EvaluatedFiles): void {
    this.analysis = state.analysis;
    this.milliseconds = state.milliseconds;
    this.files = files;
    this.isRestored = true;
  }

  /**
   * Another number of examples, another device or other options: nothing has to be evaluated again, unless the examples
   * are coupled. What strategies and kernels take is for `planned` and
   * `kernelsPlanned` to say, which come later.
   * @returns whether there is anything new to be said
   */
  describe(device: DeviceInfo, batch: number, options: ModelOptions): boolean {
    if (this.evaluation === null) return false;
    const basis = JSON.stringify([device, batch, options.exclude, options.strategy, options.chunk]);
    if (basis === this.basis) return false;
    this.basis = basis;
    const { exclude = [] } = options;
    // What PyTorch has said of another number of examples is not said of this one
    const isAsked = this.batchFor(batch) === this.evaluation.batch;
    const { pytorch, ...rest } = this.evaluation.traced;
    const traced = pytorch !== undefined && isAsked ? { ...rest, pytorch } : rest;
    this.analysis = analyze({ ...traced, weights: {} }, { batch: this.batchFor(batch), device, plan: false, exclude });
    this.subject = withoutParameters<PlannedModel>(traced, exclude);
    return true;
  }

  /** The number of examples that can be spoken of: where they are coupled, that of the evaluation. */
  batchFor(batch: number): number {
    const traced = this.evaluation?.traced;
    return traced?.batch.coupled ? traced.batch.size : batch;
  }

  /** Timelines and all but the largest array are too much to be told with every change. */
  planned({ strategies, fallbacks, diagnostics }: Planned): void {
    if (this.analysis === null) return;
    this.analysis = {
      ...this.analysis,
      strategies: strategies.map((strategy) => ({ ...strategy, timeline: [], buffers: [] })),
      fallbacks,
      diagnostics: [...diagnostics, ...this.analysis.diagnostics],
    };
  }

  kernelsPlanned({ ntk, diagnostics }: PlannedKernels): void {
    if (this.analysis === null) return;
    this.analysis = { ...this.analysis, ntk, diagnostics: [...diagnostics, ...this.analysis.diagnostics] };
  }

  get isCoupled(): boolean {
    return this.evaluation?.traced.batch.coupled ?? false;
  }

  /** Whether another number of examples needs another evaluation: also what PyTorch is asked is asked for one number. */
  get dependsOnBatch(): boolean {
    const asksPytorch =
      this.evaluation?.traced.pytorch !== undefined || (this.running !== null && isPythonFile(this.path));
    return this.isCoupled || asksPytorch;
  }

  /** Files whose change makes it stale. */
  get dependencies(): readonly string[] {
    const known = [this.files, this.failure?.files, this.running?.files];
    return [...new Set([this.path, ...known.flatMap((files) => files?.paths ?? [])])];
  }

  state(uri: string, line: number | null): ModelState {
    return {
      uri,
      export: this.exportName,
      kind: this.discovered?.kind ?? "unknown",
      takes: this.discovered?.takes ?? [],
      inputs: this.discovered?.inputs ?? [],
      isPart: this.discovered?.isPart ?? false,
      line,
      activity: this.running === null ? "idle" : this.running.isAskingPytorch ? "asking-pytorch" : "evaluating",
      analysis: this.analysis,
      planning: this.planning !== null,
      stale: this.stale,
      fault: this.failure?.fault ?? null,
      milliseconds: this.milliseconds,
      digests: this.files?.digests ?? {},
    };
  }
}
