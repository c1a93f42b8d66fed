import { constants } from "node:os";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { analyzeBeside } from "../analysis/analyze";
import type { PlannedKernels } from "../analysis/ntk";
import type { PlannedModel } from "../analysis/strategies";
import { detectDevice, detectDevices, namedDevice, parseMemory, type Device } from "../devices/detect";
import { engineNames, type EngineName } from "../engines";
import { ownTensorFlowFolder } from "../engines/tensorflow/find";
import { parseTimes } from "../kernel/prediction";
import { strategies, type Strategy } from "../quantities/jacobian";
import { ntkForms, ntkMethods } from "../quantities/ntk";
import { parseInputOption, type InputOption } from "../sources/inputs";
import { messageOf } from "../graph/errors";
import {
  disappointment,
  planSetup,
  setUpTensorflow,
  wheelOf,
  wheels,
  type SetupCallbacks,
  type Wheel,
} from "../setup/tensorflow";
import { ask } from "../worker/client";
import type { Limits, ModelRequest, NtkJob, PredictJob, Replies, Request } from "../worker/messages";
import { formatBytes } from "../protocol/text";
import { analysisText, jacobianText, ntkText, planText, predictText, setupText } from "./text";

/** The command was misused: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type Options = Record<string, string | boolean | (string | boolean)[] | undefined>;

interface Command {
  readonly usage: string;
  readonly options: NonNullable<ParseArgsConfig["options"]>;
  run(options: Options, positionals: readonly string[], programs: Programs): Promise<void>;
}

/** What the command line starts and does not hold itself. */
export interface Programs {
  /** Listens until the process ends; fails where it cannot. Port 0 is any that is free. */
  serve(options: { readonly port: number; readonly untilInputEnds: boolean }): Promise<never>;
  /** Plans kernels in a thread of their own. */
  planKernels(
    model: PlannedModel,
    options: { readonly batch: number; readonly device: Device },
  ): Promise<PlannedKernels>;
}

/** What a timer of Node's can count. */
const LONGEST_S = 2_000_000;

const string = { type: "string" } as const;
const strings = { type: "string", multiple: true } as const;
const flag = { type: "boolean" } as const;

const examplesHelp =
  "EXAMPLES: x.npy; x.npz with an array for each input; a folder of .png and .jpg images, with a sub-folder for each class " +
  "or none; or data.ts#binding, which holds or returns a tensor, an array, an object of these or a dataset";

/** Options of every command that reads a model. */
const ofEveryModel = {
  "batching-rules": strings,
  "no-cache": flag,
  input: strings,
  python: string,
  "time-limit": string,
  "code-memory": string,
  json: flag,
} as const;

export const commands: Record<string, Command> = {
  analyze: {
    usage:
      "kernelscope analyze MODEL[#EXPORT] [--batch N] [--device NAME | --memory 16GiB] [--input NAME=SHAPE[:DTYPE]]... " +
      "[--batching-rules FILE]... [--python PYTHON] [--time-limit SECONDS] [--code-memory 2GiB] [--no-cache] [--json]",
    options: {
      batch: string,
      device: string,
      memory: string,
      ...ofEveryModel,
    },
    async run(options, positionals, programs) {
      const batch = wholeNumber("--batch", options.batch) ?? 1;
      const device = deviceOf(options);
      const request = {
        ...modelOf(positionals),
        inputs: inputsOf(options),
        batchingRules: rulesOf(options),
        python: pythonOf(options),
        probe: true,
        batch,
      };
      const model = await ask<"trace">({ kind: "trace", model: request }, workerOptions(options));
      // Kernels on one core, strategies on another: each takes about half of the time
      const kernels = programs.planKernels(model, { batch, device });
      const analysis = await analyzeBeside({ ...model, weights: {} }, { batch, device }, kernels);
      print(options, analysis, () => analysisText(analysis));
    },
  },

  jacobian: {
    usage:
      "kernelscope jacobian MODEL[#EXPORT] --inputs EXAMPLES --out jac.npz [--strategy S] [--chunk K | auto] [--engine E] " +
      "[--no-cache] [--input NAME=SHAPE[:DTYPE]]... [--batching-rules FILE]... [--python PYTHON] [--time-limit SECONDS] [--code-memory 2GiB] " +
      "[--json]",
    options: {
      inputs: string,
      out: string,
      strategy: string,
      chunk: string,
      engine: string,
      ...ofEveryModel,
    },
    async run(options, positionals) {
      const out = required("--out", options.out);
      const job = {
        inputs: { kind: "file", file: required("--inputs", options.inputs) } as const,
        strategy: oneOf<Strategy>("--strategy", options.strategy, strategies),
        chunk: options.chunk === "auto" ? ("auto" as const) : wholeNumber("--chunk", options.chunk),
        engine: oneOf<EngineName>("--engine", options.engine, engineNames),
        exclude: [],
        out,
        cache: workerOptions(options).cache,
      };
      const report = await compute<"jacobian">((model) => ({ kind: "jacobian", model, job }), options, positionals);
      print(options, { ...report, out }, () => jacobianText(report, out));
    },
  },

  ntk: {
    usage:
      "kernelscope ntk MODEL[#EXPORT] --x1 EXAMPLES [--x2 EXAMPLES] --out ntk.npy [--form full | trace | diagonal] " +
      "[--method auto | contraction | vector-products | structured] [--trace sum | mean] [--engine E] " +
      "[--tile-memory 1GiB] [--keep-tiles] [--no-cache] [--input NAME=SHAPE[:DTYPE]]... [--batching-rules FILE]... [--python PYTHON] " +
      "[--time-limit SECONDS] [--code-memory 2GiB] [--json]",
    options: {
      x1: string,
      x2: string,
      out: string,
      form: string,
      method: string,
      trace: string,
      engine: string,
      "tile-memory": string,
      "keep-tiles": flag,
      ...ofEveryModel,
    },
    async run(options, positionals) {
      const out = required("--out", options.out);
      const memory = options["tile-memory"];
      const job: NtkJob = {
        x1: { kind: "file", file: required("--x1", options.x1) },
        x2: typeof options.x2 === "string" ? { kind: "file", file: options.x2 } : null,
        labels: null,
        form: oneOf("--form", options.form, ntkForms) ?? "full",
        trace: oneOf("--trace", options.trace, ["sum", "mean"] as const) ?? "sum",
        method: options.method === "auto" ? null : oneOf("--method", options.method, ntkMethods),
        engine: oneOf<EngineName>("--engine", options.engine, engineNames),
        exclude: [],
        out,
        keepTiles: options["keep-tiles"] === true,
        curve: false,
        tileMemory: typeof memory === "string" ? misuse(() => parseMemory("--tile-memory", memory)) : null,
        cache: workerOptions(options).cache,
      };
      const told = await compute<"ntk">((model) => ({ kind: "ntk", model, job }), options, positionals);
      const { curve: _curve, ...report } = told;
      print(options, { ...report, out }, () => ntkText(report, out));
    },
  },

  predict: {
    usage:
      "kernelscope predict MODEL[#EXPORT] --x-train EXAMPLES --y-train y.npy --x-test EXAMPLES [--y-test z.npy] " +
      "--learning-rate R --times 0,10,100,inf --out pred.npz [--training flow | descent] [--form full | trace] " +
      "[--engine E] [--no-cache] [--input NAME=SHAPE[:DTYPE]]... [--batching-rules FILE]... [--python PYTHON] [--time-limit SECONDS] " +
      "[--code-memory 2GiB] [--json]",
    options: {
      "x-train": string,
      "y-train": string,
      "x-test": string,
      "y-test": string,
      "learning-rate": string,
      times: string,
      out: string,
      training: string,
      form: string,
      engine: string,
      ...ofEveryModel,
    },
    async run(options, positionals) {
      const out = required("--out", options.out);
      const rate = Number(required("--learning-rate", options["learning-rate"]));
      if (!(rate > 0 && Number.isFinite(rate))) {
        throw new UsageError(`--learning-rate ${String(options["learning-rate"])}: give a number above 0`);
      }
      const times = required("--times", options.times);
      const job: PredictJob = {
        train: { x: required("--x-train", options["x-train"]), y: required("--y-train", options["y-train"]) },
        test: {
          x: required("--x-test", options["x-test"]),
          y: typeof options["y-test"] === "string" ? options["y-test"] : null,
        },
        learningRate: rate,
        times: misuse(() => parseTimes(times)),
        training: oneOf("--training", options.training, ["flow", "descent"] as const) ?? "flow",
        form: oneOf("--form", options.form, ["full", "trace"] as const),
        engine: oneOf<EngineName>("--engine", options.engine, engineNames),
        exclude: [],
        out,
        cache: workerOptions(options).cache,
      };
      const report = await compute<"predict">((model) => ({ kind: "predict", model, job }), options, positionals);
      print(options, { ...report, out }, () => predictText(report, out));
    },
  },

  devices: {
    usage: "kernelscope devices [--json]",
    options: { json: flag },
    async run(options, positionals) {
      if (positionals.length > 0) throw new UsageError("devices takes no arguments");
      const [devices, engines] = await Promise.all([
        detectDevices(),
        ask<"engines">({ kind: "engines" }, workerOptions(options)),
      ]);
      print(options, { devices, engines }, () =>
        [
          ...devices.map(({ name, memoryBytes }) => `${name}, ${formatBytes(memoryBytes)}`),
          ...engines.map((engine) =>
            engine.available ? `${engine.name}: ${engine.device}` : `${engine.name}: not available (${engine.reason})`,
          ),
        ].join("\n"),
      );
    },
  },

  serve: {
    usage: "kernelscope serve [--port P] [--until-input-ends]",
    options: { port: string, "until-input-ends": flag },
    async run(options, positionals, programs) {
      if (positionals.length > 0) throw new UsageError("serve takes no arguments");
      const port = wholeNumber("--port", options.port) ?? 0;
      if (port > 65535) throw new UsageError(`--port ${port}: give a number of at most 65535`);
      try {
        await programs.serve({ port, untilInputEnds: options["until-input-ends"] === true });
      } catch (error) {
        throw new UsageError(`--port ${port}: cannot be listened on (${messageOf(error)}); give another one`);
      }
    },
  },

  "setup-tensorflow": {
    usage:
      "kernelscope setup-tensorflow [--plan] [--into DIR] [--wheel tensorflow | tensorflow-cpu] [--python PYTHON] " +
      "[--json]",
    options: { plan: flag, into: string, wheel: string, python: string, json: flag },
    async run(options, positionals) {
      if (positionals.length > 0) throw new UsageError("setup-tensorflow takes no arguments");
      const elsewhere = typeof options.into === "string";
      const wheel = wheelOf({ wheel: oneOf<Wheel>("--wheel", options.wheel, wheels) ?? undefined });
      const setup = {
        folder: elsewhere ? (options.into as string) : ownTensorFlowFolder(),
        wheel,
        python: typeof options.python === "string" ? options.python : undefined,
      };
      if (options.plan === true) {
        const plan = await interruptible((signal) => planSetup(setup, [process.cwd()], { signal }));
        print(options, plan, () => planText(plan, setup.folder));
        return;
      }
      const installed = await interruptible((signal) =>
        setUpTensorflow(setup, { signal, ...(options.json === true ? reportAsJson : reportSteps()) }),
      );
      const result = { ...installed, note: disappointment(installed, { wheel }) };
      print(options, result, () => setupText(result, elsewhere));
    },
  },
};

/** Runs one command line (without the program's name). Throws a UsageError where it is misused. */
export async function runCommand(args: readonly string[], programs: Programs): Promise<void> {
  const [name, ...rest] = args;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    throw new UsageError(`there is no command ${name}; the commands are ${Object.keys(commands).join(", ")}`);
  }
  if (rest.includes("--help")) {
    console.log(`usage: ${command.usage}`);
    if (command.usage.includes("EXAMPLES")) console.log(examplesHelp);
    return;
  }
  let parsed: { values: Options; positionals: string[] };
  try {
    parsed = parseArgs({ args: rest, options: command.options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  await command.run(parsed.values, parsed.positionals, programs);
}

/** Has the worker compute something with the model, with progress on a terminal. */
async function compute<K extends "jacobian" | "ntk" | "predict">(
  requestFor: (model: ModelRequest) => Extract<Request, { kind: K }>,
  options: Options,
  positionals: readonly string[],
): Promise<Replies[K]> {
  const model = {
    ...modelOf(positionals),
    inputs: inputsOf(options),
    batchingRules: rulesOf(options),
    python: pythonOf(options),
    batch: 1,
  };
  const report = await ask<K>(requestFor(model), { ...workerOptions(options), onProgress: showProgress });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  return report;
}

function print(options: Options, data: unknown, text: () => string): void {
  console.log(options.json === true ? JSON.stringify(data) : text());
}

function showProgress(fraction: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${Math.round(100 * fraction)} %`);
}

/** A line for each step, and whatever the tools print. */
function reportSteps(): Pick<SetupCallbacks, "onProgress" | "onOutput"> {
  let last: string | null = null;
  return {
    onProgress: (_, fraction, message) => {
      if (message !== last) console.error(`${Math.round(100 * fraction)} % ${message}`);
      last = message;
    },
    onOutput: (text) => void process.stderr.write(text),
  };
}

/** For another program: objects, each on a line of stderr, as a setup's result is one on stdout. */
const reportAsJson: Pick<SetupCallbacks, "onProgress" | "onOutput"> = {
  onProgress: (step, fraction, message) => console.error(JSON.stringify({ step, fraction, message })),
  onOutput: (output) => console.error(JSON.stringify({ output })),
};

/** Work that a signal to end stops; the process ends when it has been cleared up. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
    const abort = (): void => {
      process.exitCode = 128 + constants.signals[signal];
      controller.abort(signal);
    };
    process.once(signal, abort);
    return { signal, abort };
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) process.exit();
    throw error;
  } finally {
    for (const { signal, abort } of handlers) process.off(signal, abort);
  }
}

function modelOf(positionals: readonly string[]): { file: string; export: string | null } {
  if (positionals.length !== 1) throw new UsageError("give one MODEL, such as model.ts or model.ts#createModel(10)");
  const [text] = positionals;
  const hash = text.indexOf("#");
  return hash < 0 ? { file: text, export: null } : { file: text.slice(0, hash), export: text.slice(hash + 1) };
}

function inputsOf({ input }: Options): InputOption[] {
  return ((input as string[] | undefined) ?? []).map((text) => misuse(() => parseInputOption(text)));
}

function rulesOf({ "batching-rules": files }: Options): string[] {
  return (files as string[] | undefined) ?? [];
}

function pythonOf({ python }: Options): string | null {
  return typeof python === "string" ? python : null;
}

function deviceOf({ device, memory }: Options): Device {
  if (device !== undefined && memory !== undefined) throw new UsageError("give --device or --memory, not both");
  if (typeof device === "string") return misuse(() => namedDevice("--device", device));
  if (typeof memory === "string") {
    return misuse(() => ({
      name: `a device with ${memory}`,
      memoryBytes: parseMemory("--memory", memory),
      detected: false,
      kind: "card",
      reservedBytes: 0,
    }));
  }
  return detectDevice();
}

function workerOptions(options: Options): { limits: Limits; cache: boolean } {
  return { limits: limitsOf(options), cache: options["no-cache"] !== true };
}

/** What user code may take, by default half a minute and 2 GiB. */
function limitsOf(options: Options): Limits {
  const { "time-limit": time = "30", "code-memory": memory = "2GiB" } = options as Record<string, string | undefined>;
  const timeLimit = Number(time);
  if (!(timeLimit > 0 && timeLimit <= LONGEST_S)) {
    throw new UsageError(`--time-limit ${time}: give a number of seconds`);
  }
  return { timeLimit, codeMemory: misuse(() => parseMemory("--code-memory", memory)) };
}

function misuse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function required(option: string, text: Options[string]): string {
  if (typeof text !== "string") throw new UsageError(`${option} is missing`);
  return text;
}

function wholeNumber(option: string, text: Options[string]): number | null {
  if (typeof text !== "string") return null;
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`${option} ${text}: give a whole number of at least 1`);
  return Number(text);
}

function oneOf<T extends string>(option: string, text: Options[string], choices: readonly T[]): T | null {
  if (text === undefined) return null;
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`${option} ${String(text)}: choose one of ${choices.join(", ")}`);
  return found;
}
