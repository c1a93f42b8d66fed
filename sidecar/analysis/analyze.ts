import type { OpaqueAttributes } from "../primitives/attributes";
import { bytesPerElement, isFloat, sizeOf, type Shape } from "../graph/types";
import { finish } from "../planner/strategies";
import type { Model } from "../sources/model";
import { formatBytes, formatMany } from "../protocol/text";
import type { Analysis, DeviceInfo, Diagnostic, ParameterAnalysis } from "../protocol/analysis";
import { noKernels, planningKernels, type PlannedKernels } from "./ntk";
import { placeOn } from "./place";
import { placeOf } from "./source";
import { graphsOf, notPlanned, planning, trainableOf, type Planned } from "./strategies";

export interface AnalyzeOptions {
  /** Number of examples. */
  readonly batch: number;
  readonly device: DeviceInfo;
  /** Whether strategies are planned too, which takes up to seconds; by default they are. */
  readonly plan?: boolean;
  /** Names of trainable parameters that are left out of the Jacobian. */
  readonly exclude?: readonly string[];
}

/** A model whose Jacobian is without some of its parameters. */
export function withoutParameters<T extends Pick<Model, "parameters">>(model: T, exclude: readonly string[]): T {
  if (exclude.length === 0) return model;
  const parameters = model.parameters.map((parameter) =>
    exclude.includes(parameter.name) ? { ...parameter, trainable: false } : parameter,
  );
  return { ...model, parameters };
}

/** Everything that can be said of a model without running it. */
export function analyze(whole: Model, options: AnalyzeOptions): Analysis {
  const { batch, device, plan = true, exclude = [] } = options;
  const model = withoutParameters(whole, exclude);
  const planned = plan ? planStrategies(model, options) : notPlanned;
  // Where there is no Jacobian, that is told already
  const kernels = planned.strategies.length > 0 ? finish(planningKernels(model, batch, placeOn(device))) : noKernels;
  return analysisOf(whole, options, planned, kernels);
}

/** As `analyze`, where somebody plans the kernels meanwhile. */
export async function analyzeBeside(
  model: Model,
  options: Pick<AnalyzeOptions, "batch" | "device">,
  kernels: Promise<PlannedKernels>,
): Promise<Analysis> {
  const planned = planStrategies(model, options);
  return analysisOf(model, options, planned, planned.strategies.length > 0 ? await kernels : noKernels);
}

function planStrategies(model: Model, { batch, device }: AnalyzeOptions): Planned {
  return finish(planning(model, graphsOf(model, batch), placeOn(device)));
}

function analysisOf(whole: Model, options: AnalyzeOptions, planned: Planned, kernels: PlannedKernels): Analysis {
  const { batch, device, exclude = [] } = options;
  const model = withoutParameters(whole, exclude);
  const outputShape = outputShapeOf(model, batch);
  const differentiable = model.outputs.filter(({ dtype }) => isFloat(dtype));
  const bytesEach = Math.max(0, ...differentiable.map(({ dtype }) => bytesPerElement[dtype]));
  const parameters = model.parameters.map(({ name, trainable, source }, index): ParameterAnalysis => {
    const { shape, dtype } = model.graph.parameters[index].value;
    const jacobian = [...outputShape, ...shape];
    return {
      name,
      shape,
      dtype,
      elements: sizeOf(shape),
      bytes: sizeOf(shape) * bytesPerElement[dtype],
      trainable,
      source: placeOf(source),
      jacobian: { shape: jacobian, bytes: sizeOf(jacobian) * bytesEach },
    };
  });
  const total = jacobianShape(model, batch);
  const bytes = sizeOf(total) * bytesEach;
  return {
    model: {
      file: model.file,
      export: model.export,
      format: model.format,
      examplesCoupled: model.batch.coupled,
      framework: model.framework,
      source: placeOf(model.source),
    },
    batch,
    inputs: model.inputs.map(({ name, shape, dtype }) => ({ name, shape: [batch, ...shape], dtype })),
    outputs: model.outputs.map(({ name, shape, dtype }) => ({ name, shape: [batch, ...shape], dtype })),
    parameters,
    buffers: model.graph.buffers.map(({ name, value }) => ({ name, shape: value.shape, dtype: value.dtype })),
    layers: model.layers.map(({ name, kind, source, callers, outputs, parameters }) => ({
      name,
      kind,
      source: placeOf(source),
      callers: callers.flatMap((caller) => placeOf(caller) ?? []),
      outputs: outputs.map((shape) => [batch, ...shape]),
      parameters,
    })),
    files: model.files,
    jacobian: { shape: total, bytes },
    strategies: planned.strategies,
    ntk: kernels.ntk,
    fallbacks: planned.fallbacks,
    pytorch: model.pytorch ?? null,
    device,
    diagnostics: [
      ...planned.diagnostics,
      ...kernels.diagnostics,
      ...tooLarge(model, options, bytes),
      ...diagnosticsOf(whole, exclude),
    ],
  };
}

/** [N, ...output]; several outputs are flattened and counted together, [N, O]. Only floating-point ones count. */
function outputShapeOf({ outputs }: Pick<Model, "outputs">, batch: number): Shape {
  const shapes = outputs.filter(({ dtype }) => isFloat(dtype)).map(({ shape }) => shape);
  if (shapes.length === 1) return [batch, ...shapes[0]];
  return [batch, shapes.reduce((total, shape) => total + sizeOf(shape), 0)];
}

/** Shape of the Jacobian with respect to all P trainable elements: [N, ...output, P], or [N, O, P] for several outputs. */
export function jacobianShape(model: Model, batch: number): Shape {
  const trainable = model.graph.parameters.filter((_, index) => model.parameters[index].trainable);
  return [...outputShapeOf(model, batch), trainable.reduce((sum, { value }) => sum + sizeOf(value.shape), 0)];
}

/** The warning that the whole Jacobian is larger than the device's memory. */
function tooLarge(model: Model, { batch, device }: AnalyzeOptions, bytes: number): Diagnostic[] {
  if (bytes <= device.memoryBytes) return [];
  const fits = Math.floor(device.memoryBytes / (bytes / batch));
  const most = model.batch.coupled
    ? "and its examples depend on one another, so that it cannot be had in parts"
    : fits === 0
      ? "and not even that of one example fits"
      : `where at most ${formatMany(fits, "example fits", "examples fit")}`;
  return [
    {
      severity: "warning",
      code: "result-too-large",
      message:
        `The Jacobian of ${formatMany(batch, "example")} takes ${formatBytes(bytes)}, ` +
        `more than the ${formatBytes(device.memoryBytes)} of ${device.name}, ${most}.`,
      source: placeOf(model.source),
    },
  ];
}

function diagnosticsOf(model: Model, exclude: readonly string[]): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  if (model.batch.coupled) {
    diagnostics.push({
      severity: "warning",
      code: "coupled-examples",
      message:
        `The examples of a batch depend on one another here (${model.batch.reason}): ` +
        "the Jacobian is that of the whole batch, and per-example strategies are not available.",
      source: placeOf(model.batch.source),
    });
    if (trainableOf(withoutParameters(model, exclude)).length > 0) {
      diagnostics.push({
        severity: "information",
        code: "no-kernel",
        message:
          `There is no neural tangent kernel between two examples that depend on one another (${model.batch.reason}): ` +
          "make the model one of independent examples.",
        source: placeOf(model.batch.source),
      });
    }
  }
  const frozen = model.parameters.filter(({ trainable }) => !trainable);
  if (frozen.length > 0) {
    diagnostics.push({
      severity: "information",
      code: "frozen-parameters",
      message:
        frozen.length === 1
          ? "1 frozen parameter is not part of the Jacobian's total."
          : `${frozen.length} frozen parameters are not part of the Jacobian's total.`,
      source: placeOf(frozen[0].source),
    });
  }
  const excluded = model.parameters.filter(({ name, trainable }) => trainable && exclude.includes(name));
  if (excluded.length > 0) {
    diagnostics.push({
      severity: "information",
      code: "excluded-parameters",
      message:
        excluded.length === 1
          ? `The parameter ${excluded[0].name} is excluded from the Jacobian.`
          : `${excluded.length} parameters are excluded from the Jacobian.`,
      source: placeOf(excluded[0].source),
    });
  }
  for (const { message, source } of model.ruleProblems ?? []) {
    diagnostics.push({ severity: "warning", code: "batching-rule", message, source: placeOf(source) });
  }
  for (const note of model.notes ?? []) {
    const message = `${note[0].toUpperCase()}${note.slice(1)}.`;
    diagnostics.push({ severity: "information", code: "reading-note", message, source: placeOf(model.source) });
  }
  const told = new Set<string>();
  for (const { primitive, attributes, source } of model.graph.equations) {
    if (primitive !== "opaque") continue;
    const { framework, kernel } = attributes as OpaqueAttributes;
    const key = `${kernel} ${source?.line}:${source?.file}`;
    if (told.has(key)) continue;
    told.add(key);
    diagnostics.push({
      severity: "information",
      code: "opaque-operation",
      message:
        framework === "tfjs"
          ? `${kernel} runs in TensorFlow.js itself: Kernelscope cannot look into it.`
          : `Kernelscope has no rule for ${kernel}: its results have the shapes that the file says, and no derivative.`,
      source: placeOf(source),
    });
  }
  return diagnostics;
}
