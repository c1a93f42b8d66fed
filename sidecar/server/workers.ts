import { detectDevices } from "../devices/detect";
import { engineNames, type EngineName } from "../engines";
import { messageOf, ModelError } from "../graph/errors";
import type { DeviceInfo } from "../protocol/analysis";
import type {
  Devices,
  JacobianRequest,
  JacobianSummary,
  ModelFault,
  ModelOptions,
  ModelRef,
  NtkRequest,
  Outcome,
  Settings,
} from "../protocol/messages";
import { strategies } from "../quantities/jacobian";
import { ntkForms, ntkMethods } from "../quantities/ntk";
import { isDataFile } from "../sources/discover";
import { ask, CancelledError, type AskOptions } from "../worker/client";
import { MemoryError } from "../worker/memory";
import type { ModelRequest, NtkJob, NtkReport, TracedModel } from "../worker/messages";
import { Spare } from "../worker/spare";
import { batchingRulesOf, deviceOf, exportText, inputsOf, limitsOf, optionsOf, pythonOf } from "./options";
import { pathOf } from "./texts";
import { Turns } from "./turns";
import { faultForEditor } from "./wording";

/** Evaluations at one time: each takes a processor. */
const AT_ONCE = 2;
/** How long a worker waits for a request before its memory is given back. */
const SPARE_MS = 10 * 60_000;

export const notTrusted: ModelFault = {
  fault: "model",
  message: "This workspace is not trusted, so its code is not run; trust it to have the model evaluated.",
  source: null,
};

export interface Traced {
  readonly traced: TracedModel;
  readonly milliseconds: number;
}

interface TraceOptions extends Required<Pick<AskOptions, "signal" | "onRead">> {
  /** Whether it goes before others that wait for their turn. */
  readonly isUrgent: boolean;
  readonly onTraced: (traced: Traced) => void;
}

/** What is asked of worker processes, as the settings have it. */
export class Workers {
  private readonly turns = new Turns(AT_ONCE);
  private readonly spare = new Spare();
  private spareTimer: NodeJS.Timeout | null = null;
  private readonly runs = new Set<AbortController>();
  private detected: Promise<DeviceInfo> | null = null;
  private disposed = false;

  constructor(public settings: Settings) {}

  /** Whether a model's file may be evaluated: code only in a workspace that is trusted. */
  mayEvaluate(path: string): boolean {
    return this.settings.trusted || isDataFile(path);
  }

  optionsOf(path: string, exportName: string | null): ModelOptions {
    return optionsOf(this.settings, path, exportName);
  }

  /** Number of examples that a model is analysed for. */
  batchOf(path: string, exportName: string | null): number {
    return this.optionsOf(path, exportName).batch ?? this.settings.batch;
  }

  /** The device that predictions are made for. Rejects where the settings name none that is known. */
  async device(): Promise<DeviceInfo> {
    this.detected ??= detectDevices().then(([first]) => first);
    return deviceOf(this.settings, await this.detected);
  }

  /**
   * Evaluates and traces a model, when it is its turn. `milliseconds` are without the wait.
   * `onTraced` is told of a Python file's model before its PyTorch is asked what it would do.
   */
  trace(
    path: string,
    exportName: string | null,
    batch: number,
    { signal, isUrgent, onRead, onTraced }: TraceOptions,
  ): Promise<Traced> {
    return this.turns.take(signal, isUrgent, async () => {
      const start = performance.now();
      const timed = (traced: TracedModel): Traced => ({ traced, milliseconds: performance.now() - start });
      const model = { ...this.request(path, exportName, batch), probe: true };
      const options = { ...this.askOptions(signal), onRead, onModel: (model: TracedModel) => onTraced(timed(model)) };
      return timed(await ask<"trace">({ kind: "trace", model }, options));
    });
  }

  jacobian(
    { model, inputs, strategy, chunk, out }: JacobianRequest,
    onProgress: (fraction: number) => void,
    signal: AbortSignal,
  ): Promise<Outcome<JacobianSummary>> {
    return this.compute(model, signal, (path, signal) => {
      const options = this.optionsOf(path, model.export);
      const asked = strategy === null && options.strategy !== undefined ? options : { strategy, chunk };
      const job = {
        inputs,
        strategy: oneOf(strategies, asked.strategy ?? null),
        // Where nothing is asked for, whatever fits
        chunk: asked.chunk ?? (asked.strategy === null ? ("auto" as const) : null),
        exclude: options.exclude ?? [],
        engine: this.engine(),
        out,
        cache: true,
      };
      const request = this.request(path, model.export, 1);
      return ask<"jacobian">({ kind: "jacobian", model: request, job }, { ...this.askOptions(signal), onProgress });
    });
  }

  /**
   * Computes a kernel to a .npy file, beside which its tiles stay.
   *
   * @param exclude names of parameters that are left out, beside those that the user has left out
   */
  ntk(
    { model, x1, x2, labels, form, trace, method }: NtkRequest,
    { out, exclude }: { readonly out: string; readonly exclude: readonly string[] },
    told: Required<Pick<AskOptions, "onProgress" | "onExamples">>,
    signal: AbortSignal,
  ): Promise<Outcome<NtkReport>> {
    return this.compute(model, signal, (path, signal) => {
      const job: NtkJob = {
        x1,
        x2,
        labels,
        form: oneOf(ntkForms, form)!,
        trace: oneOf(["sum", "mean"] as const, trace)!,
        method: oneOf(ntkMethods, method),
        exclude: [...(this.optionsOf(path, model.export).exclude ?? []), ...exclude],
        engine: this.engine(),
        out,
        keepTiles: true,
        curve: true,
        tileMemory: null,
        cache: true,
      };
      const request = this.request(path, model.export, 1);
      return ask<"ntk">({ kind: "ntk", model: request, job }, { ...this.askOptions(signal), ...told });
    });
  }

  /** Computes something with a model whose code may be run. It is given up when `signal` says so, or when the editor has gone. */
  private async compute<T>(
    model: ModelRef,
    signal: AbortSignal,
    work: (path: string, signal: AbortSignal) => Promise<T>,
  ): Promise<Outcome<T>> {
    const path = pathOf(model.uri);
    if (!this.mayEvaluate(path)) return { kind: "failed", fault: notTrusted };
    const controller = new AbortController();
    signal.addEventListener("abort", () => controller.abort(), { once: true });
    if (signal.aborted) controller.abort();
    this.runs.add(controller);
    try {
      return { kind: "done", result: await work(path, controller.signal) };
    } catch (error) {
      if (error instanceof CancelledError) return { kind: "cancelled" };
      return { kind: "failed", fault: faultForEditor(faultOf(error), path) };
    } finally {
      this.runs.delete(controller);
      this.prepareSpare();
    }
  }

  private engine(): EngineName | null {
    const { engine } = this.settings;
    return engine === "auto" ? null : oneOf<EngineName>(engineNames, engine);
  }

  async devices(signal: AbortSignal): Promise<Omit<Devices, "profiles">> {
    const [detected, engines] = await Promise.all([
      detectDevices(),
      ask<"engines">({ kind: "engines" }, { ...this.askOptions(signal), start: undefined }),
    ]);
    return {
      detected,
      engines: engines.map((engine) => ({
        name: engine.name,
        available: engine.available,
        detail: engine.available ? engine.device : engine.reason,
      })),
    };
  }

  /** Has a worker wait for the next model. */
  prepareSpare(): void {
    if (this.disposed) return;
    try {
      const { limits, cache, tensorflow } = this.askOptions(new AbortController().signal);
      this.spare.prepare({ limits, cache, tensorflow, code: true });
    } catch {
      // Settings that make no sense, of which the next evaluation tells
      return;
    }
    if (this.spareTimer) clearTimeout(this.spareTimer);
    this.spareTimer = setTimeout(() => this.spare.dispose(), SPARE_MS);
    this.spareTimer.unref();
  }

  dispose(): void {
    this.disposed = true;
    if (this.spareTimer) clearTimeout(this.spareTimer);
    this.spare.dispose();
    for (const run of this.runs) run.abort();
  }

  private request(path: string, exportName: string | null, batch: number): ModelRequest {
    const options = this.optionsOf(path, exportName);
    try {
      return {
        file: path,
        export: exportText(exportName, options),
        inputs: inputsOf(options),
        batch,
        batchingRules: batchingRulesOf(this.settings),
        python: pythonOf(this.settings, path),
      };
    } catch (error) {
      throw new ModelError(messageOf(error));
    }
  }

  private askOptions(signal: AbortSignal): AskOptions {
    return {
      limits: limitsOf(this.settings),
      cache: true,
      signal,
      start: (options) => this.spare.take(options),
      tensorflow: this.settings.tensorflow || undefined,
    };
  }
}

/** Who is to blame for an error, and where. */
export function faultOf(error: unknown): ModelFault {
  if (error instanceof ModelError) return { fault: "model", message: error.message, source: error.source };
  const fault = error instanceof MemoryError ? "memory" : "engine";
  return { fault, message: messageOf(error), source: null };
}

function oneOf<T extends string>(choices: readonly T[], text: string | null): T | null {
  if (text === null) return null;
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new ModelError(`${text} is not known here; choose one of ${choices.join(", ")}`);
  return found;
}
